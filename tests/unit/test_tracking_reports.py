"""Laws of reports at the edge: identity, idempotency, limits, authentication."""

from __future__ import annotations

import pytest

from afflux.kernel.events import Adjustment, Conversion, PartitionReason, Status
from afflux.kernel.ids import conversion_key, ulid
from afflux.kernel.reasons import REASONS
from afflux.kernel.token import ClickToken, sign
from afflux.kernel.types import AdvertiserId, Id16
from services.tracking.domain.adjustments import build_adjustment, check_conversion
from services.tracking.domain.authentication import (
    Request,
)
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.instants import parse_instant
from services.tracking.domain.refusal import STATUS, Refusal
from services.tracking.domain.rejections import MAX_BODY, MAX_STRANGER_BODY, build_rejection
from services.tracking.domain.requests import json_items, parse_params, postback_params
from tests.tracking_samples import CLICK_KEYS, NOW, context

CLICK = ClickToken(ulid(NOW, b"0" * 10), Id16(b"v" * 16), 70, 7, 1, 100)
TOKEN = sign(CLICK, 1, CLICK_KEYS[1])
REPORT = {"txn_id": "T1", "goal": "sale", "amount": "10.50", "currency": "EUR"}


def kept(fields: dict[str, object]) -> Conversion:
    built = build_conversion(fields, context())
    assert isinstance(built, Conversion), built
    return built


def refused(fields: dict[str, object]) -> tuple[str, str | None, int]:
    built = build_conversion(fields, context())
    assert isinstance(built, Refusal), built
    return built.reason, built.field, built.status


def request(query: str = "", *, method: str = "GET", body: bytes = b"", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = named.get("content-type")
    return Request(method, "/postback", query, body, kind, named.get, NOW)


def test_every_status_belongs_to_a_declared_reason() -> None:
    assert set(STATUS) <= set(REASONS)


def test_I1_the_key_is_that_of_advertiser_goal_and_transaction() -> None:
    assert kept(REPORT).conversion_key == conversion_key(AdvertiserId(7), "sale", "T1", None)
    assert kept({**REPORT, "click_id": TOKEN}).conversion_key == kept(REPORT).conversion_key


def test_I1_without_a_transaction_the_click_and_the_goal_are_the_key() -> None:
    first = kept({"goal": "sale", "click_id": TOKEN})
    assert first.conversion_key == conversion_key(AdvertiserId(7), "sale", None, CLICK.click_id)
    assert kept({"goal": "lead", "click_id": TOKEN}).conversion_key != first.conversion_key
    assert refused({"goal": "sale"}) == ("field_missing", "txn_id", 400)


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "10.5"},
        {"currency": "eur"},
        {"currency": ""},
        {"token": "secret", "sig": "x", "ts": "1", "nonce": "n", "cachebuster": "9"},
        {"coupon": ""},
    ],
)
def test_I2_two_spellings_of_one_report_have_one_body_hash(other: dict[str, object]) -> None:
    assert kept({**REPORT, **other}).body_hash == kept(REPORT).body_hash
    assert kept({**REPORT, **other}).event_id == kept(REPORT).event_id


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "10.51"},
        {"currency": "USD"},
        {"status": "pending"},
        {"customer_id": "c"},
        {"order_time": "1700000000"},
        {"click_id": TOKEN},
        {"items": [{"sku": "a"}]},
        {"new_customer": "1"},
    ],
)
def test_I2_other_content_has_another_body_hash(other: dict[str, object]) -> None:
    assert kept({**REPORT, **other}).body_hash != kept(REPORT).body_hash
    assert kept({**REPORT, **other}).conversion_key == kept(REPORT).conversion_key


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"goal": ""}, ("field_missing", "goal", 400)),
        ({"amount": "1.005"}, ("field_invalid", "amount", 400)),
        ({"amount": "-1"}, ("field_invalid", "amount", 400)),
        ({"amount": "1e3"}, ("field_invalid", "amount", 400)),
        ({"amount": 1.5}, ("field_invalid", "amount", 400)),
        ({"currency": "EURO"}, ("field_invalid", "currency", 400)),
        ({"status": "maybe"}, ("field_invalid", "status", 400)),
        ({"txn_id": "x" * 129}, ("field_invalid", "txn_id", 400)),
        ({"txn_id": "a\nb"}, ("field_invalid", "txn_id", 400)),
        ({"txn_id": {"a": 1}}, ("field_invalid", "txn_id", 400)),
        ({"country": "DEU"}, ("field_invalid", "country", 400)),
        ({"new_customer": "perhaps"}, ("field_invalid", "new_customer", 400)),
        ({"order_time": "yesterday"}, ("field_invalid", "order_time", 400)),
        ({"order_time": str(NOW + 86_500_000)}, ("field_invalid", "order_time", 400)),
        ({"order_time": "2026-05-01T10:00:00"}, ("field_invalid", "order_time", 400)),
        ({"offer_id": "999"}, ("field_invalid", "offer_id", 400)),
        ({"offer_id": "70", "goal": "nope"}, ("goal_unknown", "goal", 400)),
        ({"items": "a"}, ("field_invalid", "items", 400)),
        ({"items": [{"sku": ""}]}, ("field_missing", "items[0].sku", 400)),
        ({"click_id": "rubbish"}, ("click_id_malformed", "click_id", 400)),
    ],
)
def test_S1_a_wrong_field_is_named(
    fields: dict[str, object], expected: tuple[str, str, int]
) -> None:
    assert refused({**REPORT, **fields}) == expected


def test_T3_a_forged_or_foreign_click_id_is_refused() -> None:
    forged = sign(CLICK, 1, b"k" * 32)
    assert refused({**REPORT, "click_id": forged}) == ("click_id_forged", "click_id", 400)
    unknown = sign(CLICK, 9, CLICK_KEYS[1])
    assert refused({**REPORT, "click_id": unknown}) == ("click_id_unknown_key", "click_id", 400)
    theirs = sign(ClickToken(CLICK.click_id, CLICK.visitor_key, 80, 8, 1, 1), 1, CLICK_KEYS[1])
    assert refused({**REPORT, "click_id": theirs}) == ("click_id_foreign", "click_id", 403)


def test_the_partition_is_the_visitors_else_the_customers_else_the_conversions() -> None:
    by_visitor = kept({**REPORT, "click_id": TOKEN, "customer_id": "c"})
    by_customer = kept({**REPORT, "customer_id": "c"})
    by_conversion = kept(REPORT)
    assert by_visitor.partition_reason is PartitionReason.VISITOR
    assert by_visitor.key == CLICK.visitor_key
    assert by_customer.partition_reason is PartitionReason.CUSTOMER
    assert by_customer.key == by_customer.customer_key != b"c"
    assert by_conversion.key == by_conversion.conversion_key


def test_without_a_status_a_goal_the_advertiser_approves_is_pending() -> None:
    assert kept({**REPORT, "click_id": TOKEN}).status is Status.APPROVED
    assert kept({**REPORT, "click_id": TOKEN, "goal": "lead"}).status is Status.PENDING


@pytest.mark.parametrize(
    "text",
    [
        "1700000000",
        "1700000000000",
        "2023-11-14T22:13:20Z",
        "2023-11-15T00:13:20+02:00",
        "2023-11-15T00:13:20 02:00",
    ],
)
def test_order_times_may_be_written_in_several_ways(text: str) -> None:
    assert parse_instant(text) == 1_700_000_000_000


def test_S1_parameters_given_twice_are_refused_not_guessed() -> None:
    assert isinstance(parse_params("amount=1&amount=2"), Refusal)
    both = request(
        "amount=1",
        method="POST",
        body=b"amount=2",
        content_type="application/x-www-form-urlencoded",
    )
    assert isinstance(postback_params(both), Refusal)


def test_json_numbers_never_become_floats() -> None:
    found = json_items(b'[{"amount": 12.10, "order_time": 1700000000}]', "conversions")
    assert found == ([{"amount": "12.10", "order_time": "1700000000"}], False)


def test_S1_a_batch_over_the_limit_or_no_json_is_refused() -> None:
    too_many = json_items(b"[" + b"{}," * 1000 + b"{}]", "conversions")
    assert isinstance(too_many, Refusal) and too_many.status == 413
    for body in (b"", b"{", b"1", b'{"a": NaN}', b"[" * 100_000, b"\xff"):
        found = json_items(body, "conversions")
        assert isinstance(found, Refusal) or found[0] == [{}], body


def test_S4_a_rejection_keeps_what_was_sent_but_no_secret_and_not_too_much() -> None:
    sent = request(
        "a=1&token=SECRET&b=2&sig=SECRET",
        method="POST",
        body=b"token=SECRET&x=" + b"y" * 100_000,
        content_type="application/x-www-form-urlencoded",
    )
    refusal = Refusal("token_wrong", "no")
    event_id = ulid(NOW, b"0" * 10)
    for advertiser_id, limit in ((None, MAX_STRANGER_BODY), (7, MAX_BODY)):
        rejection = build_rejection(
            sent, refusal, event_id=event_id, advertiser_id=advertiser_id, edge_id="e"
        )
        assert rejection.query == "a=1&token=***&b=2&sig=***"
        assert b"SECRET" not in rejection.body and len(rejection.body) == limit


def test_an_adjustment_belongs_to_its_conversion_and_has_an_identity() -> None:
    fields = {"txn_id": "T1", "goal": "sale", "kind": "refund", "amount": "2"}
    first = build_adjustment(fields, context())
    assert not isinstance(first, Refusal)
    assert first.conversion_key == kept(REPORT).conversion_key
    assert first.value_minor == 200 and first.adjustment_id == first.body_hash.hex()
    second = build_adjustment({**fields, "adjustment_id": "r2"}, context())
    assert not isinstance(second, Refusal) and second.event_id != first.event_id
    by_key = build_adjustment(
        {"conversion_key": first.conversion_key.hex(), "goal": "sale", "kind": "approve"}, context()
    )
    assert not isinstance(by_key, Refusal) and by_key.conversion_key == first.conversion_key


@pytest.mark.parametrize(
    ("advertiser", "goal", "refused"),
    [
        (7, "sale", None),
        (7, None, None),
        (8, "sale", ("conversion_foreign", "conversion_key", 403)),
        (8, "lead", ("conversion_foreign", "conversion_key", 403)),
        (7, "lead", ("field_invalid", "goal", 400)),
    ],
)
def test_an_adjustment_has_its_conversions_advertiser_and_goal(
    advertiser: int, goal: str | None, refused: tuple[str, str, int] | None
) -> None:
    fields = {"conversion_key": "0" * 32, "goal": "sale", "kind": "reject"}
    built = build_adjustment(fields, context())
    assert isinstance(built, Adjustment)
    found = check_conversion(built, advertiser, goal)
    assert (found and (found.reason, found.field, found.status)) == refused


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": ""}, "kind"),
        ({"kind": "approve"}, "amount"),
        ({"kind": "amend", "amount": ""}, "amount"),
        ({"txn_id": ""}, "txn_id"),
        ({"conversion_key": "zz"}, "conversion_key"),
        ({"conversion_key": "0" * 32}, "conversion_key"),
    ],
)
def test_S1_an_adjustment_that_makes_no_sense_is_refused(
    fields: dict[str, object], field: str
) -> None:
    base = {"txn_id": "T1", "goal": "sale", "kind": "refund", "amount": "2"}
    built = build_adjustment({**base, **fields}, context())
    assert isinstance(built, Refusal) and built.field == field
