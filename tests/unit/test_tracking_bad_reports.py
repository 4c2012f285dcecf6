"""Law S1 at the report endpoints: whatever comes in meets a reason, never an exception."""

from __future__ import annotations

import gzip
import zlib

import pytest
from msgspec.structs import replace

from afflux.kernel.catalog import Advertiser
from afflux.kernel.events import Authentication, Channel, Conversion, Status
from afflux.kernel.ids import ulid
from afflux.kernel.token import ClickToken, sign
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.authentication import Identity, Request
from services.tracking.domain.bodies import MAX_MEMBERS, unpack
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.json_text import parse_json
from services.tracking.domain.pixel import Pixel, cookie_value, read_pixel, with_cookie
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.requests import FORM, JSON, json_items, parse_params, postback_params
from tests.tracking_samples import ADVERTISER, CLICK_KEYS, NOW, STRICT, context

CLICK = ClickToken(ulid(NOW, b"0" * 10), Id16(b"v" * 16), 70, 7, 1, 100)
TOKEN = sign(CLICK, 1, CLICK_KEYS[1])
LIMIT = 10_000


def reason_of(fields: dict[str, object]) -> tuple[str, str | None]:
    built = build_conversion({"txn_id": "T1", "goal": "sale", **fields}, context())
    assert isinstance(built, Refusal), built
    return built.reason, built.field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": "-0.01"}, "amount"),
        ({"amount": "1e9"}, "amount"),
        ({"amount": "1,5"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "Infinity"}, "amount"),
        ({"amount": "9" * 41}, "amount"),
        ({"amount": "10000000000.01"}, "amount"),
        ({"amount": "1.5", "currency": "JPY"}, "amount"),
        ({"amount": "1.2345", "currency": "KWD"}, "amount"),
        ({"amount": "1", "currency": "XXX"}, "currency"),
        ({"currency": "BTC"}, "currency"),
        ({"amount": ["1"]}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": "\u0661"}, "amount"),
        ({"order_time": str(NOW + 86_400_001)}, "order_time"),
        ({"order_time": "9999999999999"}, "order_time"),
        ({"order_time": "99999999999999999999"}, "order_time"),
        ({"order_time": "9999-12-31T23:59:59Z"}, "order_time"),
        ({"order_time": "0001-01-01T00:00:00+23:59"}, "order_time"),
        ({"order_time": "1999-12-31T23:59:59Z"}, "order_time"),
        ({"order_time": "2026-02-30T00:00:00Z"}, "order_time"),
        ({"txn_id": "a\x00b"}, "txn_id"),
        ({"txn_id": "\ud800"}, "txn_id"),
        ({"coupon": "\u202e"}, "coupon"),
        ({"customer_id": "c" * 257}, "customer_id"),
        ({"offer_id": "9" * 30}, "offer_id"),
        ({"offer_id": "-1"}, "offer_id"),
        ({"items": "[1"}, "items"),
        ({"items": {"sku": "a"}}, "items"),
        ({"items": [{"sku": "a"}] * 201}, "items"),
        ({"items": [["a"]]}, "items"),
        ({"new_customer": "2"}, "new_customer"),
        ({"country": "\u00e9\u00e9"}, "country"),
        ({"click_id": TOKEN, "offer_id": "71"}, "offer_id"),
    ],
)
def test_S1_a_value_out_of_bounds_is_named(fields: dict[str, object], field: str) -> None:
    assert reason_of(fields) == ("field_invalid", field)


@pytest.mark.parametrize(
    "click_id",
    ["x", "=" * 160, "A" * 5_000, TOKEN + "A", TOKEN[:-1], TOKEN + " " + TOKEN, "\u00fc" * 76],
)
def test_T3_what_is_no_click_id_of_ours_is_refused(click_id: str) -> None:
    reason, field = reason_of({"click_id": click_id})
    assert field == "click_id" and reason in {
        "click_id_malformed",
        "click_id_forged",
        "click_id_unknown_key",
        "field_invalid",
    }


def request(query: str = "", body: bytes = b"", kind: str = JSON, method: str = "POST") -> Request:
    return Request(method, "/postback", query, body, kind, {}.get, NOW)


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("txn_id=%ff", b"", FORM),
        ("txn_id=a&txn_id=b", b"", FORM),
        ("click_id=a&click_id=a", b"", FORM),
        ("&".join(f"p{n}=1" for n in range(101)), b"", FORM),
        ("", b"txn_id=%80", FORM),
        ("", b"txn_id=\xff", FORM),
        ("", b"<order/>", "text/xml"),
        ("txn_id=a", b'{"txn_id": "b"}', JSON),
        ("", b'{"txn_id": "a", "txn_id": "b"}', JSON),
        ("", b"[]", JSON),
        ("", b'{"a": Infinity}', JSON),
        ("", b'{"a": "\xff"}', JSON),
        ("", b'{"a":' * 5_000, JSON),
        ("", b"\xff\xfe\x00", JSON),
    ],
)
def test_S1_what_cannot_be_read_for_sure_is_refused(query: str, body: bytes, kind: str) -> None:
    found = postback_params(request(query, body, kind))
    assert isinstance(found, Refusal) and found.reason in {"body_invalid", "field_invalid"}
    assert found.detail


def test_S1_numbers_of_any_length_stay_text() -> None:
    assert parse_json(b'{"amount": %s}' % (b"9" * 10_000)) == {"amount": "9" * 10_000}
    assert reason_of({"amount": "9" * 10_000}) == ("field_invalid", "amount")


def test_S1_a_deep_batch_is_refused() -> None:
    found = json_items(b"[" * 200_000, "conversions")
    assert isinstance(found, Refusal) and found.reason == "body_invalid"


def test_a_gzip_body_is_what_it_unpacks_to() -> None:
    body = b'[{"goal": "sale"}]' * 20
    assert unpack(gzip.compress(body), "gzip", LIMIT) == body
    assert unpack(gzip.compress(body) + gzip.compress(body), "GZIP", LIMIT) == body * 2
    assert unpack(gzip.compress(b"x") * MAX_MEMBERS, "gzip", LIMIT) == b"x" * MAX_MEMBERS
    assert unpack(body, None, LIMIT) == unpack(body, "identity", LIMIT) == body


@pytest.mark.parametrize(
    ("body", "encoding", "reason", "status"),
    [
        (gzip.compress(b"0" * (LIMIT + 1), mtime=0), "gzip", "body_too_large", 413),
        (gzip.compress(b"0" * 50_000_000, mtime=0), "gzip", "body_too_large", 413),
        (gzip.compress(b"0" * 6_000, mtime=0) * 2, "gzip", "body_too_large", 413),
        (gzip.compress(b"0" * 999, mtime=0)[:-1], "gzip", "body_invalid", 400),
        (gzip.compress(b"0" * 999, mtime=0) + b"rubbish", "gzip", "body_invalid", 400),
        (b"", "gzip", "body_invalid", 400),
        (b"[]", "gzip", "body_invalid", 400),
        (gzip.compress(b"abc", mtime=0)[:-8] + b"\0" * 8, "gzip", "body_invalid", 400),
        (gzip.compress(b"", mtime=0) * 52_427, "gzip", "body_invalid", 400),
        (gzip.compress(b"0", mtime=0) * (MAX_MEMBERS + 1), "gzip", "body_invalid", 400),
        (zlib.compress(b"[]"), "gzip", "body_invalid", 400),
        (b"[]", "br", "encoding_unknown", 415),
        (b"[]", "gzip, gzip", "encoding_unknown", 415),
    ],
)
def test_S5_a_body_that_does_not_unpack_within_bounds_is_refused(
    body: bytes, encoding: str, reason: str, status: int
) -> None:
    found = unpack(body, encoding, LIMIT)
    assert isinstance(found, Refusal) and (found.reason, found.status) == (reason, status)


def pixel(params: dict[str, object], cookie: str | None = None) -> Pixel | Refusal:
    shut = STRICT
    return read_pixel(params, cookie, CLICK_KEYS, {7: ADVERTISER, 8: shut})


def test_a_pixel_belongs_to_the_advertiser_of_its_click() -> None:
    by_parameter = pixel({"click_id": TOKEN, "goal": "sale"})
    by_cookie = pixel({"goal": "sale"}, f"a=b; afflux_cid={TOKEN}")
    for found in (by_parameter, by_cookie):
        assert isinstance(found, Pixel) and found.identity.advertiser.id == 7
        built = build_conversion(found.fields, context(channel=Channel.PIXEL))
        assert isinstance(built, Conversion) and built.click_id == CLICK.click_id
        assert built.status is Status.PENDING  # it is not the advertiser's word


def test_a_pixel_without_a_click_is_its_visitor_s() -> None:
    cookie = f"a=b; afflux_v={CLICK.visitor_key.hex()}"
    found = pixel({"goal": "sale", "txn_id": "T", "advertiser": "7"}, cookie)
    assert isinstance(found, Pixel) and found.identity.advertiser.id == 7
    built = build_conversion(
        found.fields, context(channel=Channel.PIXEL), visitor_key=found.visitor_key
    )
    assert isinstance(built, Conversion) and built.status is Status.PENDING
    assert (built.click_id, built.visitor_key) == (None, CLICK.visitor_key)
    assert built.key == CLICK.visitor_key, "it goes to the journey's partition"


@pytest.mark.parametrize(
    ("params", "cookie", "reason"),
    [
        ({"advertiser": "7"}, "", "pixel_click_missing"),
        ({"advertiser": "7"}, "afflux_v=12", "pixel_click_missing"),
        ({}, "afflux_v={}", "pixel_click_missing"),
        ({"advertiser": "8"}, "afflux_v={}", "pixel_not_allowed"),
        ({"advertiser": "9" * 30}, "afflux_v={}", "advertiser_unknown"),
        ({"advertiser": "\u0667"}, "afflux_v={}", "advertiser_unknown"),
        ({"advertiser": "7", "status": "approved"}, "afflux_v={}", "field_invalid"),
    ],
)
def test_T3_a_visitor_s_pixel_is_refused_with_a_reason(
    params: dict[str, object], cookie: str, reason: str
) -> None:
    found = pixel({"txn_id": "T", **params}, cookie.format(CLICK.visitor_key.hex()))
    assert isinstance(found, Refusal) and found.reason == reason


def test_T5_a_visitor_s_pixel_after_its_erasure_is_refused() -> None:
    erased = replace(context(channel=Channel.PIXEL), erased={CLICK.visitor_key})
    fields = {"goal": "sale", "txn_id": "T"}
    built = build_conversion(fields, erased, visitor_key=CLICK.visitor_key)
    assert isinstance(built, Refusal) and built.reason == "visitor_erased"


def test_T3_a_pixel_without_a_genuine_click_of_an_advertiser_that_allows_it_is_refused() -> None:
    theirs = sign(ClickToken(CLICK.click_id, CLICK.visitor_key, 80, 8, 1, 1), 1, CLICK_KEYS[1])
    gone = sign(ClickToken(CLICK.click_id, CLICK.visitor_key, 90, 9, 1, 1), 1, CLICK_KEYS[1])
    cases: list[tuple[dict[str, object], str]] = [
        ({"coupon": "A", "txn_id": "T"}, "pixel_click_missing"),
        ({"customer_id": "c", "txn_id": "T"}, "pixel_click_missing"),
        ({"click_id": "rubbish"}, "click_id_malformed"),
        ({"click_id": sign(CLICK, 1, b"k" * 32)}, "click_id_forged"),
        ({"click_id": TOKEN, "advertiser": "8"}, "click_id_foreign"),
        ({"click_id": theirs}, "pixel_not_allowed"),
        ({"click_id": gone}, "advertiser_unknown"),
        ({"click_id": TOKEN, "status": "approved"}, "field_invalid"),
    ]
    for params, reason in cases:
        found = pixel(params)
        assert isinstance(found, Refusal) and found.reason == reason, params


def test_T3_what_the_network_resubmits_for_a_browser_stays_a_browsers_word() -> None:
    def again(advertiser: Advertiser, **params: object) -> Pixel | Refusal:
        network = Identity(advertiser, Authentication.HMAC, Millis(NOW - 1))
        given = {"click_id": TOKEN, "goal": "sale", **params}
        return read_pixel(given, None, CLICK_KEYS, {7: ADVERTISER, 8: STRICT}, network)

    found = again(ADVERTISER)
    assert isinstance(found, Pixel)
    assert found.identity == Identity(ADVERTISER, Authentication.NONE, Millis(NOW - 1))
    for refused, reason in (
        (again(STRICT), "click_id_foreign"),
        (again(ADVERTISER, status="approved"), "field_invalid"),
    ):
        assert isinstance(refused, Refusal) and refused.reason == reason


@pytest.mark.parametrize("query", ["goal=sale", "goal=sale&click_id=", "click%5Fid=+&goal=sale"])
def test_the_click_of_a_cookie_is_kept_with_the_report(query: str) -> None:
    cookie = {"cookie": f"a=b; afflux_cid={TOKEN}"}
    sent = Request("GET", "/pixel", query, b"", None, cookie.get, NOW)
    params = parse_params(query)
    assert isinstance(params, dict)
    assert parse_params(with_cookie(sent, params).query) == {"goal": "sale", "click_id": TOKEN}
    assert with_cookie(sent, {"click_id": "other"}) == sent


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (None, None),
        ("afflux_cid=", None),
        ("xafflux_cid=1", None),
        ("a=1;afflux_cid=x=y", "x=y"),
        ("afflux_cid=first; afflux_cid=second", "first"),
    ],
)
def test_the_cookie_is_read_by_its_whole_name(header: str | None, value: str | None) -> None:
    assert cookie_value(header) == value
