"""Laws of what a report says of an order: lines, currencies, coupons, customers, refunds."""

from __future__ import annotations

import pytest

from afflux.kernel.events import Adjustment, AdjustmentKind, Conversion, PartitionReason
from services.tracking.domain.adjustments import build_adjustment
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.refusal import Refusal
from tests.tracking_samples import STRICT, context

ORDER = {"txn_id": "T1", "goal": "sale"}


def kept(**fields: object) -> Conversion:
    built = build_conversion({**ORDER, **fields}, context())
    assert isinstance(built, Conversion), built
    return built


def refused(**fields: object) -> tuple[str, str | None]:
    built = build_conversion({**ORDER, **fields}, context())
    assert isinstance(built, Refusal), built
    return built.reason, built.field


def adjusted(**fields: object) -> Adjustment:
    built = build_adjustment({**ORDER, **fields}, context())
    assert isinstance(built, Adjustment), built
    return built


def not_adjusted(**fields: object) -> tuple[str, str | None]:
    built = build_adjustment({**ORDER, **fields}, context())
    assert isinstance(built, Refusal), built
    return built.reason, built.field


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("1500", "JPY", 1500), ("12.34", "EUR", 1234), ("1.234", "KWD", 1234), ("0", "EUR", 0)],
)
def test_an_amount_has_the_digits_of_its_currency(amount: str, currency: str, minor: int) -> None:
    sale = kept(amount=amount, currency=currency)
    assert (sale.value_minor, sale.currency) == (minor, currency)


def test_without_a_currency_it_is_the_advertisers() -> None:
    built = build_conversion({**ORDER, "amount": "1500"}, context(STRICT))
    assert isinstance(built, Conversion) and built.currency == "JPY"
    refusal = build_conversion({**ORDER, "amount": "1.50"}, context(STRICT))
    assert isinstance(refusal, Refusal) and refusal.field == "amount"


def test_a_price_is_that_of_one_unit_and_the_line_is_exact() -> None:
    line = {"sku": "a", "category": "shoes", "quantity": 3, "price": "0.07"}
    sale = kept(items=[line, {"sku": "b", "amount": "5"}], amount="5.21")
    assert [(item.quantity, item.value_minor) for item in sale.items] == [(3, 21), (1, 500)]
    by_amount = kept(
        items=[{**line, "price": None, "amount": "0.21"}, {"sku": "b", "amount": "5.00"}],
        amount="5.21",
    )
    both = kept(items=[{**line, "amount": "0.21"}, {"sku": "b", "amount": "5"}], amount="5.21")
    assert sale.body_hash == by_amount.body_hash == both.body_hash


def test_the_lines_may_be_the_json_text_of_a_list() -> None:
    text = '[{"sku": "a", "quantity": 2, "price": 4.50}]'
    listed = kept(items=[{"sku": "a", "quantity": "2", "price": "4.5"}])
    assert kept(items=text).body_hash == listed.body_hash
    assert kept(items=text).items[0].value_minor == 900


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"sku": "a", "quantity": 2, "price": "4", "amount": "9"}, "items[0].amount"),
        ({"sku": "a", "quantity": 0}, "items[0].quantity"),
        ({"sku": "a", "quantity": 1_000_001}, "items[0].quantity"),
        ({"sku": "a", "quantity": "-1"}, "items[0].quantity"),
        ({"sku": "a", "quantity": 1.5}, "items[0].quantity"),
        ({"sku": "a", "price": "1.001"}, "items[0].price"),
        ({"sku": "a", "price": "9999999999", "quantity": 1_000_000}, "items[0].price"),
        ({"sku": "a" * 129}, "items[0].sku"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(line: dict[str, object], field: str) -> None:
    assert refused(items=[line]) == ("field_invalid", field)


def test_a_conversion_without_a_click_may_have_a_coupon_or_a_customer() -> None:
    by_coupon, by_customer = kept(coupon="ANNA10"), kept(customer_id="c-1")
    assert by_coupon.coupon == "ANNA10" and by_coupon.click_id is None
    assert by_coupon.partition_reason is PartitionReason.CONVERSION
    assert by_coupon.key == by_coupon.conversion_key
    assert by_customer.partition_reason is PartitionReason.CUSTOMER
    assert by_customer.key == by_customer.customer_key


@pytest.mark.parametrize("fields", [{"coupon": "ANNA10"}, {"customer_id": "c-1"}])
def test_without_a_click_it_needs_a_transaction(fields: dict[str, object]) -> None:
    assert refused(**fields, txn_id=None) == ("field_missing", "txn_id")


@pytest.mark.parametrize("kind", list(AdjustmentKind))
def test_every_adjustment_names_its_conversion_by_transaction(kind: AdjustmentKind) -> None:
    more = {"amount": "5"} if kind is AdjustmentKind.AMEND else {}
    adjustment = adjusted(kind=kind, **more)
    assert adjustment.kind is kind
    assert adjustment.conversion_key == kept().conversion_key


def test_T3_a_click_id_beside_the_transaction_is_verified_too() -> None:
    assert not_adjusted(kind="approve", click_id="A" * 76) == ("click_id_malformed", "click_id")


@pytest.mark.parametrize("kind", ["refund", "chargeback"])
def test_a_refund_by_items_is_their_sum(kind: str) -> None:
    lines = [{"sku": "a", "quantity": 2, "price": "3.50"}, {"sku": "b", "amount": "1"}]
    by_items = adjusted(kind=kind, items=lines)
    assert (by_items.value_minor, by_items.currency) == (800, "EUR")
    assert adjusted(kind=kind, items=lines, amount="8.00").body_hash == by_items.body_hash
    assert adjusted(kind=kind).value_minor is None  # all of it
    assert adjusted(kind=kind, items=[{"sku": "a"}], amount="2").value_minor == 200
    assert not_adjusted(kind=kind, items=lines, amount="7.99") == ("field_invalid", "amount")
    assert not_adjusted(kind=kind, items=[{"sku": "a"}]) == ("field_missing", "amount")
    some = [{"sku": "a"}, {"sku": "b", "amount": "5"}]
    assert not_adjusted(kind=kind, items=some, amount="4") == ("field_invalid", "amount")


@pytest.mark.parametrize("kind", ["approve", "reject", "reinstate"])
def test_what_changes_no_money_takes_neither_amount_nor_items(kind: str) -> None:
    assert not_adjusted(kind=kind, amount="1") == ("field_invalid", "amount")
    assert not_adjusted(kind=kind, items=[{"sku": "a"}]) == ("field_invalid", "items")
