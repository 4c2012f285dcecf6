"""Law T3: who sent a report is proven."""

from __future__ import annotations

import hmac

from msgspec.structs import replace

from afflux.kernel.events import Authentication
from afflux.kernel.keys import postback_key, postback_token
from afflux.kernel.types import Millis
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


def request(
    query: str = "",
    *,
    method: str = "GET",
    body: bytes = b"",
    address: str = "192.0.2.1",
    **headers: str,
) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = named.get("content-type")
    return Request(method, "/postback", query, body, kind, named.get, NOW, address)


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


def test_T3_an_older_token_is_good_while_the_catalogue_says_so() -> None:
    rotated = replace(ADVERTISER, token_generation=3, old_token_generations=[2])
    reasons = {}
    for generation in (1, 2, 3):
        token = postback_token(SECRET, 7, generation)
        for query in (f"advertiser=7&token={token}", f"token={token}"):
            asked = request(query)
            given = read_credentials(dict(p.split("=") for p in query.split("&")), asked)  # type: ignore[misc]
            found = Authenticator(SECRET, Nonces()).check(given, asked, {7: rotated})
            reasons[generation] = found.reason if isinstance(found, Refusal) else "taken"
    assert reasons == {1: "token_wrong", 2: "taken", 3: "taken"}


def test_T3_a_token_alone_follows_the_catalogue() -> None:
    authenticator, asked = Authenticator(SECRET, Nonces()), request()
    old, new = (postback_token(SECRET, 7, generation) for generation in (1, 2))
    rotated = {7: replace(ADVERTISER, token_generation=2)}
    given = {token: read_credentials({"token": token}, asked) for token in (old, new)}
    assert isinstance(authenticator.check(given[old], asked, ADVERTISERS), Identity)
    assert reason(authenticator.check(given[new], asked, ADVERTISERS)) == "token_wrong"
    assert isinstance(authenticator.check(given[new], asked, rotated), Identity)
    assert reason(authenticator.check(given[old], asked, rotated)) == "token_wrong"


def test_T3_reports_come_from_the_advertisers_networks_only() -> None:
    bound = {7: replace(ADVERTISER, report_networks=["203.0.113.0/24", "2001:db8::/32"])}
    token = postback_token(SECRET, 7, 1)

    def check_from(address: str) -> str:
        asked = request(f"advertiser=7&token={token}", address=address)
        given = read_credentials({"advertiser": "7", "token": token}, asked)
        found = Authenticator(SECRET, Nonces()).check(given, asked, bound)
        if isinstance(found, Identity):
            return "taken"
        assert "203.0.113.0/24" not in found.detail, "a stolen token does not tell where to send"
        return found.reason

    good = ("203.0.113.9", "2001:db8:ffff::1", "::ffff:203.0.113.9")
    assert {check_from(address) for address in good} == {"taken"}
    bad = ("203.0.114.1", "2001:db9::1", "::1", "", "203.0.113.9, 1.1.1.1", "unknown")
    assert {check_from(address) for address in bad} == {"address_not_allowed"}


def test_T3_a_nonce_is_remembered_for_as_long_as_its_timestamp_is_good() -> None:
    authenticator, now_s = Authenticator(SECRET, Nonces()), NOW // 1000
    ahead = signed("advertiser=7", ts=now_s + 300)
    assert isinstance(check(authenticator, request(ahead)), Identity)
    later = replace(request(ahead), received_at=Millis(NOW + 600_000))
    assert reason(check(authenticator, later)) == "nonce_used"
    over = replace(request(ahead), received_at=Millis(NOW + 601_000))
    assert reason(check(authenticator, over)) == "timestamp_outside"


def test_S5_a_full_memory_forgets_the_oldest_nonce_alone() -> None:
    nonces = Nonces(limit=3)
    assert [nonces.first_use(1, text, 1_000) for text in ("a", "b", "c", "d")] == [True] * 4
    assert [nonces.first_use(1, text, 1_000) for text in ("b", "c", "d")] == [False] * 3
    assert nonces.first_use(2, "b", 1_000), "another advertiser's nonce is another one"


def test_S5_nonces_are_bounded() -> None:
    nonces = Nonces(limit=10)
    for number in range(100):
        assert nonces.first_use(1, f"n{number}", 1_000 + number)
    assert len(nonces) <= 10
