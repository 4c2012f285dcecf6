"""From the fields of a later report to an Adjustment, or to the reason why not."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from afflux.kernel.events import Adjustment, AdjustmentKind, Item
from afflux.kernel.ids import conversion_key, derive, parse_ulid
from afflux.kernel.money import MAX_MINOR, Money
from afflux.kernel.types import AdvertiserId, Id16
from services.tracking.domain.conversions import (
    GOAL_LIMIT,
    TXN_LIMIT,
    ReportContext,
    read_click,
)
from services.tracking.domain.fields import Fields, Line
from services.tracking.domain.refusal import Refusal, RefusedError

FIELDS = (
    "txn_id",
    "click_id",
    "conversion_key",
    "goal",
    "kind",
    "amount",
    "currency",
    "items",
    "reason",
    "adjustment_id",
    "order_time",
)
"""What an adjustment's report can say; all else in it is ignored."""
_WITH_AMOUNT = frozenset((AdjustmentKind.REFUND, AdjustmentKind.CHARGEBACK, AdjustmentKind.AMEND))


class Aimed(Struct, frozen=True):
    """An adjustment as it was reported; `click_id` if it names its conversion by that alone."""

    event: Adjustment
    click_id: Id16 | None = None

    def at(self, key: Id16) -> Aimed:
        """Return the same for the conversion with this key."""
        event = msgspec.structs.replace(
            self.event,
            conversion_key=key,
            event_id=adjustment_event_id(key, self.event.adjustment_id),
        )
        return Aimed(event)


def build_adjustment(fields: Mapping[str, object], context: ReportContext) -> Adjustment | Refusal:
    """Return the adjustment in `fields`, or why there is none: the event of `read_adjustment`."""
    aimed = read_adjustment(fields, context)
    return aimed if isinstance(aimed, Refusal) else aimed.event


def read_adjustment(fields: Mapping[str, object], context: ReportContext) -> Aimed | Refusal:
    """Return the adjustment in `fields`, or why there is none.

    Fields: txn_id, click_id or conversion_key (hex) with goal; kind; amount and currency for
    refund, chargeback (absent: the sum of `items`, without items all of it) and amend (required:
    the new order value); reason; adjustment_id; order_time (when it happened). Without an
    adjustment_id the content identifies it, so two equal partial refunds need ids to be two.
    """
    try:
        return _build(Fields(fields), context)
    except RefusedError as error:
        return error.refusal


def check_conversion(
    adjustment: Adjustment, advertiser_id: int, goal: str | None
) -> Refusal | None:
    """Return why an adjustment cannot be one of the conversion that an edge knows under its key.

    `goal` is None where the edge does not know it.
    """
    if adjustment.advertiser_id != advertiser_id:
        detail = f"the conversion is not advertiser {adjustment.advertiser_id}'s"
        return Refusal("conversion_foreign", detail, "conversion_key")
    if goal not in (None, adjustment.goal):
        detail = f"the conversion has the goal {goal!r}, not {adjustment.goal!r}"
        return Refusal("field_invalid", detail, "goal")
    return None


def adjustment_event_id(key: Id16, adjustment_id: str) -> Id16:
    """Return the event id of a conversion's adjustment."""
    return derive("adjustment-event", key, adjustment_id)


def _build(fields: Fields, context: ReportContext) -> Aimed:
    goal = fields.required("goal", GOAL_LIMIT)
    transaction_id = fields.text("txn_id", TXN_LIMIT)
    key, click_id = _conversion_key(fields, context, goal, transaction_id)
    kind = fields.choice("kind", AdjustmentKind)
    if kind is None:
        raise RefusedError("field_missing", "kind is required", "kind")
    money, items = _money(fields, context, kind)
    reason_text = fields.text("reason", 500)
    happened_at = fields.order_time("order_time", context.received_at)
    named = fields.text("adjustment_id", 128)
    body_hash = fields.body_hash("adjustment-body")
    adjustment_id = named or body_hash.hex()
    event = Adjustment(
        event_id=adjustment_event_id(key, adjustment_id),
        occurred_at=context.arrived_at if happened_at is None else happened_at,
        recorded_at=context.received_at,
        tenant_id=context.tenant_id,
        conversion_key=key,
        body_hash=body_hash,
        advertiser_id=context.advertiser.id,
        goal=goal,
        transaction_id=transaction_id,
        kind=kind,
        adjustment_id=adjustment_id,
        value_minor=money.minor if money else None,
        currency=money.currency if money else None,
        items=items,
        reason_text=reason_text,
        channel=context.channel,
        authentication=context.authentication,
        edge_id=context.edge_id,
        journal_position=0,
    )
    return Aimed(event, click_id)


def _money(
    fields: Fields, context: ReportContext, kind: AdjustmentKind
) -> tuple[Money | None, list[Item]]:
    """Return the amount and the lines of an adjustment; lines that all have amounts make it up."""
    currency = fields.currency(context.advertiser.currency)
    money, lines = fields.money("amount", currency), fields.items(currency)
    for name, given in (("amount", money), ("items", lines)):
        if given and kind not in _WITH_AMOUNT:
            raise RefusedError("field_invalid", f"{kind} takes no {name}", name)
    if money is None and kind is AdjustmentKind.AMEND:
        raise RefusedError("field_missing", "amend needs the new amount", "amount")
    if lines and kind is not AdjustmentKind.AMEND:
        money = _from_lines(money, lines, currency)
        fields.note("amount", f"{money.minor} {money.currency}")
    return money, [line.item for line in lines]


def _from_lines(money: Money | None, lines: list[Line], currency: str) -> Money:
    """Return the amount of a refund by items; what contradicts its own lines is refused."""
    unpriced = next((number for number, line in enumerate(lines) if not line.priced), None)
    total = Money(sum(line.item.value_minor for line in lines), currency)
    if money is None:
        if unpriced is not None:
            raise RefusedError(
                "field_missing", "send the amount, or the amount of every item", "amount"
            )
        if total.minor > MAX_MINOR:
            raise RefusedError("field_invalid", f"{total.text()} is too much", "items")
        return total
    if total.minor > money.minor or (unpriced is None and total != money):
        raise RefusedError(
            "field_invalid", f"the items come to {total.text()}, not {money.text()}", "amount"
        )
    return money


def _conversion_key(
    fields: Fields, context: ReportContext, goal: str, transaction_id: str | None
) -> tuple[Id16, Id16 | None]:
    """Return the key that was named or follows, and the click id if nothing else names it."""
    named = fields.text("conversion_key", 32)
    click = read_click(fields, context)  # a forged one is refused even where txn_id says enough
    if named is None and transaction_id is None and click is None:
        raise RefusedError(
            "field_missing", "txn_id, click_id or conversion_key is required", "txn_id"
        )
    advertiser_id = AdvertiserId(context.advertiser.id)
    if named is None:
        click_id = click.click_id if click else None
        key = conversion_key(advertiser_id, goal, transaction_id, click_id)
        return key, click_id if transaction_id is None else None
    key = _parse_key(named)
    if transaction_id and key != conversion_key(advertiser_id, goal, transaction_id, None):
        raise RefusedError(
            "field_invalid", "conversion_key is not that of txn_id and goal", "conversion_key"
        )
    fields.note("conversion_key", key.hex())
    return key, None


def _parse_key(text: str) -> Id16:
    try:
        return parse_ulid(text) if len(text) == 26 else _hex16(text)
    except ValueError:
        raise RefusedError(
            "field_invalid", f"{text!r} is not a conversion key", "conversion_key"
        ) from None


def _hex16(text: str) -> Id16:
    raw = bytes.fromhex(text)
    if len(raw) != 16:
        raise ValueError(text)
    return Id16(raw)
