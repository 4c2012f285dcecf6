"""Presets: what other vendors' systems send becomes our conversion, through the real builder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from afflux.kernel.document import Problems
from afflux.kernel.events import Conversion, Status
from afflux.kernel.ids import ulid
from afflux.kernel.token import ClickToken, sign
from afflux.kernel.types import Id16
from afflux.runtime.yaml_document import parse_document
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.presets import Presets, read_presets, translate
from services.tracking.domain.refusal import Refusal
from services.tracking.preset_file import PRESETS
from tests.tracking_samples import CLICK_KEYS, NOW, context

CLICK = ClickToken(ulid(NOW, b"0" * 10), Id16(b"v" * 16), 70, 7, 1, 100)
OTHER = ClickToken(ulid(NOW, b"1" * 10), Id16(b"v" * 16), 70, 7, 1, 100)
TOKEN, OTHER_TOKEN = sign(CLICK, 1, CLICK_KEYS[1]), sign(OTHER, 1, CLICK_KEYS[1])
TABLE = Path(PRESETS).read_text(encoding="utf-8")


@cache
def presets() -> Presets:
    problems = Problems()
    found = read_presets(parse_document(TABLE, problems), problems)
    assert not list(problems)
    return found


def sent(name: str, **params: str) -> Conversion | Refusal:
    fields = translate(
        {key.replace("__", "-"): text for key, text in params.items()}, presets()[name]
    )
    return fields if isinstance(fields, Refusal) else build_conversion(fields, context())


def kept(name: str, **params: str) -> Conversion:
    built = sent(name, **params)
    assert isinstance(built, Conversion), built
    return built


def refused(name: str, **params: str) -> tuple[str, str | None]:
    built = sent(name, **params)
    assert isinstance(built, Refusal), built
    return built.reason, built.field


@pytest.mark.parametrize("wrong", [{"a": [1]}, ["1"], True, 1.5])
@pytest.mark.parametrize(
    ("name", "field"),
    [("tid", "tid"), ("payout", "payout"), ("status", "status"), ("txn_id", "txn_id")],
)
def test_S1_only_a_text_or_a_number_is_a_value(name: str, field: str, wrong: object) -> None:
    given = {"subid": TOKEN, "goal": "sale", "tid": "1", "payout": "5"}
    params = {key: value for key, value in given.items() if (key, name) != ("tid", "txn_id")}
    found = translate({**params, name: wrong}, presets()["keitaro"])
    assert isinstance(found, Refusal) and (found.reason, found.field) == ("field_invalid", field)


def test_tune() -> None:
    sale = kept(
        "tune",
        offer_id="26",
        transaction_id=TOKEN,
        amount="49.90",
        conversion_unique_id="order-1",
        goal_ref="sale",
        adv_sub="newsletter",
        adv_unique1="x",
        promo_code="SPRING",
        user_id="u-1",
        security_token="s",
        status="pending",
    )
    assert sale.click_id == CLICK.click_id and sale.transaction_id == "order-1"
    assert (sale.value_minor, sale.goal, sale.coupon) == (4990, "sale", "SPRING")
    assert sale.status is Status.PENDING and sale.customer_key
    assert sale.offer_id == 70  # the vendor's offer 26 is not one of ours


def test_everflow() -> None:
    sale = kept(
        "everflow",
        nid="123",
        offer_id="4",
        transaction_id=TOKEN,
        amount="12.34",
        order_id="order-2",
        event_name="sale",
        event_id="7",
        adv1="red",
        coupon_code="SPRING",
        user_id="u-1",
        verification_token="v",
    )
    assert sale.click_id == CLICK.click_id and sale.transaction_id == "order-2"
    assert (sale.value_minor, sale.coupon, sale.offer_id) == (1234, "SPRING", 70)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        ("1", Status.APPROVED),
        ("2", Status.PENDING),
        ("3", Status.REJECTED),
        ("5", Status.PENDING),
    ],
)
def test_affise(number: str, status: Status) -> None:
    sale = kept(
        "affise",
        clickid=TOKEN,
        action_id="order-3",
        goal="sale",
        sum="7.5",
        status=number,
        promo_code="SPRING",
        user_id="u-1",
        secure="hash",
        custom_field1="c",
        ip="192.0.2.1",
    )
    assert (sale.transaction_id, sale.value_minor, sale.status) == ("order-3", 750, status)


def test_keitaro() -> None:
    sale = kept(
        "keitaro", subid=TOKEN, tid="2", payout="10", currency="eur", status="sale", goal="sale"
    )
    assert (sale.value_minor, sale.currency, sale.status) == (1000, "EUR", Status.APPROVED)
    lead = kept("keitaro", subid=TOKEN, tid="2", revenue="1", status="lead", goal="sale")
    assert lead.status is Status.PENDING
    other = kept("keitaro", subid=OTHER_TOKEN, tid="2", payout="10", status="rebill", goal="sale")
    assert other.conversion_key != sale.conversion_key  # its tid counts within one click
    assert kept("keitaro", subid=TOKEN, tid="3", goal="sale").conversion_key != sale.conversion_key


def test_binom() -> None:
    for name in ("cnv_id", "clickid"):
        given = {name: TOKEN, "payout": "5", "cnv_status": "Hold", "cnv_currency": "USD"}
        sale = kept("binom", goal="sale", **given)
        assert sale.click_id == CLICK.click_id and sale.status is Status.PENDING
        assert (sale.value_minor, sale.currency) == (500, "USD")


def test_appsflyer() -> None:
    sale = kept(
        "appsflyer",
        clickid=TOKEN,
        event__name="sale",
        orig__monetary="19.99",
        monetary="21.50",
        currency="EUR",
        timestamp="2026-07-15 10:58:16.414",
        txn_id="order-4",
    )
    assert (sale.value_minor, sale.goal, sale.transaction_id) == (1999, "sale", "order-4")
    assert sale.occurred_at == 1_784_113_096_414
    newer = kept(
        "appsflyer",
        clickid=TOKEN,
        event_name="sale",
        event_revenue="19.99",
        event_revenue_currency="EUR",
        event_revenue_USD="21.50",
        event_time="2026-07-15 10:58:16.414",
        txn_id="order-4",
    )
    assert newer.body_hash == sale.body_hash


def test_adjust() -> None:
    sale = kept(
        "adjust",
        click_id=TOKEN,
        event_name="sale",
        event="bkrfgq",
        revenue="399",
        revenue_float="3.99",
        currency="usd",
        created_at="1784213896",
        adid="18546f6171f67e29d1cb983322ad1329",
    )
    assert (sale.value_minor, sale.currency) == (399, "USD")
    assert sale.occurred_at == 1_784_213_896_000


def test_what_a_preset_cannot_read_for_sure_is_refused() -> None:
    assert refused("affise", clickid=TOKEN, status="4", goal="sale") == ("field_invalid", "status")
    assert refused("binom", cnv_id=TOKEN, clickid=OTHER_TOKEN, goal="sale") == (
        "field_invalid",
        "cnv_id",
    )
    assert refused("tune", transaction_id=TOKEN, click_id=OTHER_TOKEN, goal="sale") == (
        "field_invalid",
        "transaction_id",
    )
    assert refused("keitaro", subid=TOKEN, payout="1", revenue="2", goal="sale") == (
        "field_invalid",
        "payout",
    )
    assert refused("tune", transaction_id="TRANSACTION_ID", goal="sale") == (
        "click_id_malformed",
        "click_id",
    )
    assert refused("keitaro", subid=TOKEN) == ("field_missing", "goal")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("presets: [a]", "a mapping is wanted"),
        ("preset: {}", "presets"),
        ("presets: {x: {vendor: X, source: [s], fields: {clickid: [a]}}}", "no field 'clickid'"),
        ("presets: {x: {vendor: X, source: [s], fields: {goal: [a], txn_id: [a]}}}", "twice"),
        ("presets: {x: {vendor: X, source: [s], fields: {goal: [a], goal: [b]}}}", "twice"),
        ("presets: {x: {vendor: X, source: [], fields: {goal: [a]}}}", "at least 1"),
        ("presets: {x: {vendor: X, source: [s], fields: {goal: [a]}, utc: [nope]}}", "no field"),
        ("presets: {x: {vendor: X, source: [s], fields: {goal: [a]}, utc: [amount]}}", "not among"),
        ("presets: {x: {vendor: X, source: [s], fields: {goal: [a]}, colour: 1}}", "no key"),
        ("presets: {X Y: {vendor: X, source: [s], fields: {goal: [a]}}}", "is no name"),
    ],
)
def test_a_wrong_table_is_refused_with_a_sentence(table: str, message: str) -> None:
    problems = Problems()
    read_presets(parse_document(table, problems), problems)
    assert any(message in f"{found.path} {found.message}" for found in problems), list(problems)
