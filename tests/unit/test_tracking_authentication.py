"""Law T3: who sent a report is proven."""

from __future__ import annotations

import hmac

from afflux.kernel.events import Authentication
from afflux.kernel.keys import postback_key, postback_token
from services.tracking.domain.authentication import (
    Authenticator,
    Identity,
    Request,
    read_credentials,
)
from services.tracking.domain.nonces import Nonces
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.requests import parse_params
from services.tracking.domain.signature import compute, message
from tests.tracking_samples import ADVERTISER, NOW, SECRET, STRICT

ADVERTISERS = {7: ADVERTISER, 8: STRICT}


def request(query: str = "", *, method: str = "GET", body: bytes = b"", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = named.get("content-type")
    return Request(method, "/postback", query, body, kind, named.get, NOW)


def check(authenticator: Authenticator, asked: Request) -> Identity | Refusal:
    params = parse_params(asked.query)
    assert isinstance(params, dict)
    return authenticator.check(read_credentials(params, asked), asked, ADVERTISERS)


def reason(result: Identity | Refusal) -> str:
    assert isinstance(result, Refusal), result
    return result.reason


def signed(query: str, *, ts: int = NOW // 1000, nonce: str = "nonce-0001", kid: str = "k1") -> str:
    query += f"&kid={kid}&ts={ts}&nonce={nonce}"
    key = postback_key(SECRET, 7, kid)
    return query + "&sig=" + compute(key, message("GET", "/postback", query, str(ts), nonce, b""))


def test_T3_a_token_proves_the_advertiser_and_is_marked() -> None:
    token = postback_token(SECRET, 7, 1)
    found = check(Authenticator(SECRET, Nonces()), request(f"advertiser=7&token={token}"))
    assert found == Identity(ADVERTISER, Authentication.TOKEN)
    by_header = request(authorization=f"Bearer {token}")
    assert check(Authenticator(SECRET, Nonces()), by_header) == found


def test_T3_a_token_of_another_advertiser_or_generation_is_wrong() -> None:
    authenticator = Authenticator(SECRET, Nonces())
    for token in (postback_token(SECRET, 8, 1), postback_token(SECRET, 7, 2), "x", "é"):
        assert reason(check(authenticator, request(f"advertiser=7&token={token}"))) == "token_wrong"
    assert reason(check(authenticator, request("advertiser=7"))) == "authentication_missing"
    strict = request(f"advertiser=8&token={postback_token(SECRET, 8, 1)}")
    assert reason(check(authenticator, strict)) == "token_not_allowed"
    assert reason(check(authenticator, request("advertiser=99&token=x"))) == "advertiser_unknown"


def test_T3_a_signature_covers_every_part() -> None:
    good = signed("advertiser=7&txn_id=1&amount=5")
    found = check(Authenticator(SECRET, Nonces()), request(good))
    assert isinstance(found, Identity) and found.authentication is Authentication.HMAC
    for bad in (
        request(good.replace("amount=5", "amount=6")),
        request(good + "&extra=1"),
        request(good, method="POST"),
        request(good, body=b"x"),
        request(good.replace("kid=k1", "kid=k2")),
    ):
        assert reason(check(Authenticator(SECRET, Nonces()), bad)) == "signature_wrong"


def test_T3_a_signature_is_good_for_300_seconds_and_once() -> None:
    authenticator = Authenticator(SECRET, Nonces())
    now_s = NOW // 1000
    for off in (-301, 301):
        late = request(signed("advertiser=7", ts=now_s + off))
        assert reason(check(authenticator, late)) == "timestamp_outside"
    for off in (-300, 300):
        in_time = request(signed("advertiser=7", ts=now_s + off, nonce=f"nonce{off + 1000}"))
        assert isinstance(check(authenticator, in_time), Identity)
    once = request(signed("advertiser=7"))
    assert isinstance(check(authenticator, once), Identity)
    assert reason(check(authenticator, once)) == "nonce_used"


def test_T3_a_wrong_signature_does_not_use_up_a_nonce() -> None:
    authenticator = Authenticator(SECRET, Nonces())
    good = signed("advertiser=7")
    assert reason(check(authenticator, request(good[:-1] + "0" * 1 + "f"))) == "signature_wrong"
    assert isinstance(check(authenticator, request(good)), Identity)


def test_T3_the_scheme_is_plain_hmac_sha256() -> None:
    expected = hmac.new(b"key", b"GET\n/p\na=1&b=2\n5\nn\n", "sha256").hexdigest()
    assert compute(b"key", message("GET", "/p", "a=1&sig=zz&b=2", "5", "n", b"")) == expected


def test_S5_nonces_are_bounded() -> None:
    nonces = Nonces(limit=10)
    for number in range(100):
        assert nonces.first_use(1, f"n{number}", 1_000 + number)
    assert len(nonces) <= 10
