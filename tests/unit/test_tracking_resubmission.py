"""A kept rejection becomes the request that was refused, mended, and signed by the network."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from afflux.kernel.events import Rejection
from afflux.kernel.keys import network_key, postback_key
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.authentication import (
    Authenticator,
    Identity,
    Request,
    read_credentials,
)
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.nonces import Nonces
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.rejections import MAX_BODY, build_rejection
from services.tracking.domain.requests import postback_params
from services.tracking.domain.resubmission import Draft, draft, signed_headers
from tests.tracking_samples import ADVERTISER, NOW, SECRET, context

FIRST = Millis(NOW - 86_400_000)
JSON = "application/json"


def rejection(
    query: str = "",
    *,
    body: bytes = b"",
    path: str = "/postback",
    kind: str | None = None,
    item: bytes | None = None,
    sender: int | None = 7,
) -> Rejection:
    method = "POST" if body else "GET"
    request = Request(method, path, query, body, kind, {}.get, FIRST)
    return build_rejection(
        request,
        Refusal("field_invalid", "x"),
        event_id=Id16(b"r" * 16),
        advertiser_id=sender,
        edge_id="e",
        item=item,
    )


def made(kept: Rejection, **changes: str) -> Draft:
    found = draft(kept, changes)
    assert isinstance(found, Draft), found
    return found


def refused(kept: Rejection, **changes: str) -> str:
    found = draft(kept, changes)
    assert isinstance(found, Refusal), found
    return found.reason


def test_a_query_goes_without_its_credentials_and_with_its_changes() -> None:
    kept = rejection("advertiser=7&token=secret&txn_id=a%26b&goal=x&amount=1,5&coupon=SPRING")
    sent = made(kept, goal="sale", amount="1.5", coupon="", country="DE")
    assert dict(parse_qsl(sent.query)) == {
        "txn_id": "a&b",
        "goal": "sale",
        "amount": "1.5",
        "country": "DE",
        "afflux_received_at": str(FIRST),
    }
    assert (sent.method, sent.path, sent.body) == ("GET", "/postback", b"")


def test_a_field_is_changed_where_it_stands() -> None:
    kept = rejection("goal=x&ts=1", body=b"txn_id=1&amount=2&token=secret")
    sent = made(kept, goal="sale", amount="3")
    assert dict(parse_qsl(sent.query))["goal"] == "sale"
    assert dict(parse_qsl(sent.body.decode())) == {"txn_id": "1", "amount": "3"}


def test_json_keeps_its_numbers_and_lists() -> None:
    body = b'{"txn_id": 12345678901234567890, "amount": 12.10, "items": [{"sku": "a"}], "sig": "s"}'
    sent = made(rejection(body=body, kind=JSON), goal="sale")
    assert json.loads(sent.body) == {
        "txn_id": "12345678901234567890",
        "amount": "12.10",
        "items": [{"sku": "a"}],
        "goal": "sale",
    }


def test_an_item_of_a_batch_goes_alone_and_a_whole_batch_as_one() -> None:
    batch = b'{"conversions": [{"txn_id": "1"}, {"txn_id": "2"}]}'
    alone = made(rejection(body=batch, path="/v1/conversions", item=b'{"txn_id": "2"}'), goal="g")
    assert json.loads(alone.body) == {"txn_id": "2", "goal": "g"}
    whole = made(rejection(body=batch, path="/v1/conversions"), goal="g")
    assert json.loads(whole.body) == [{"txn_id": "1", "goal": "g"}, {"txn_id": "2", "goal": "g"}]


def test_T3_a_report_goes_to_where_it_came_from() -> None:
    assert made(rejection("click_id=x&goal=sale", path="/pixel")).path == "/pixel"
    assert made(rejection("clickid=x", path="/postback/tune")).path == "/postback/tune"


def test_a_batch_is_json_whatever_type_it_names() -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", None):
        kept = rejection(body=b'[{"amount": "1,5"}]', path="/v1/conversions", kind=kind)
        sent = made(kept, amount="1.50")
        assert json.loads(sent.body) == [{"amount": "1.50"}]
        assert sent.content_type == JSON


def test_what_was_cut_or_cannot_be_read_is_not_sent() -> None:
    assert refused(rejection(body=b"x" * (MAX_BODY + 1))) == "rejection_cut"
    assert refused(rejection(body=b"x" * 3_000, sender=None)) == "rejection_cut"
    assert refused(rejection(body=b"[{", kind=JSON)) == "body_invalid"
    assert refused(rejection(body=b'"text"', kind=JSON)) == "body_invalid"
    assert refused(rejection("a=1&a=2")) == "field_invalid"


def resent(kept: Rejection, key_of: int = 7, **changes: str) -> tuple[Request, Identity | Refusal]:
    sent = made(kept, **changes)
    headers = signed_headers(sent, SECRET, key_of, str(NOW // 1000), "nonce-resent")
    request = Request(
        sent.method, sent.path, sent.query, sent.body, sent.content_type, headers.get, NOW, "::1"
    )
    params = postback_params(request)
    assert isinstance(params, dict)
    given = read_credentials(params, request)
    return request, Authenticator(SECRET, Nonces()).check(given, request, {7: ADVERTISER})


def test_T3_the_network_signs_and_says_when_it_first_came() -> None:
    _, identity = resent(rejection("txn_id=1&goal=sale&amount=5"))
    assert isinstance(identity, Identity) and identity.first_received_at == FIRST
    assert network_key(SECRET, 7) != postback_key(SECRET, 7, "@network")


def test_I2_its_body_is_the_advertisers_own_and_its_time_the_first() -> None:
    request, _ = resent(rejection("txn_id=1&goal=sale&amount=1,50"), amount="1.50")
    params = postback_params(request)
    assert isinstance(params, dict)
    again = build_conversion(params, context(first_received_at=FIRST))
    own = build_conversion({"txn_id": "1", "goal": "sale", "amount": "1.5"}, context())
    assert not isinstance(again, Refusal) and not isinstance(own, Refusal)
    assert (again.conversion_key, again.body_hash) == (own.conversion_key, own.body_hash)
    assert (again.occurred_at, again.recorded_at) == (FIRST, NOW)
    assert (own.occurred_at, own.recorded_at) == (NOW, NOW)
