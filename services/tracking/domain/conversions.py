"""From the fields of a report to a Conversion, or to the reason why not.

Live postbacks, the JSON API and `afflux import` all come through here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from msgspec import Struct

from afflux.kernel.catalog import Advertiser, Approval, Offer
from afflux.kernel.events import (
    Authentication,
    Channel,
    Conversion,
    Item,
    PartitionReason,
    Status,
)
from afflux.kernel.ids import conversion_key, derive
from afflux.kernel.money import Money
from afflux.kernel.token import ClickToken, TokenError, verify
from afflux.kernel.types import AdvertiserId, Id16, Millis
from services.tracking.domain.entries import ConversionEntry
from services.tracking.domain.fields import Fields
from services.tracking.domain.privacy import customer_key
from services.tracking.domain.refusal import Refusal, RefusedError

GOAL_LIMIT = 64
_BODY = "conversion-body"
TXN_LIMIT = 128
FIELDS = (
    "click_id",
    "txn_id",
    "goal",
    "amount",
    "currency",
    "status",
    "order_time",
    "customer_id",
    "coupon",
    "new_customer",
    "country",
    "offer_id",
    "items",
)
"""What a conversion's report can say; all else in it is ignored."""


class ReportContext(Struct, frozen=True, kw_only=True):
    """Who reports, how it was authenticated, when it came in, and what the edge knows.

    `customer_secret` keys the hash of customer ids (law T5). `find_offer` looks an offer up in the
    catalogue as of `received_at`. `first_received_at` is when a report that is resubmitted first
    came in: it stands in for a missing order time. `erased` are the visitors of whom nothing is
    taken in any more.
    """

    advertiser: Advertiser
    authentication: Authentication
    channel: Channel
    received_at: Millis
    click_keys: Mapping[int, bytes]
    customer_secret: bytes
    find_offer: Callable[[int], Offer | None]
    edge_id: str
    tenant_id: int = 0
    first_received_at: Millis | None = None
    erased: Container[bytes] = frozenset()

    @property
    def arrived_at(self) -> Millis:
        """When the report came in for the first time."""
        return self.received_at if self.first_received_at is None else self.first_received_at


def build_conversion(
    fields: Mapping[str, object],
    context: ReportContext,
    click: ClickToken | None = None,
    visitor_key: Id16 | None = None,
) -> Conversion | Refusal:
    """Return the conversion in `fields` (`FIELDS` are read), or why there is none.

    `click` is for imports, which know it without a signed click id; `visitor_key` for them and for
    a browser whose cookie names it.
    `journal_position` is 0 until the journal gives one.
    """
    entry = read_conversion(fields, context, click, visitor_key)
    return entry if isinstance(entry, Refusal) else entry.event


def read_conversion(
    fields: Mapping[str, object],
    context: ReportContext,
    click: ClickToken | None = None,
    visitor_key: Id16 | None = None,
) -> ConversionEntry | Refusal:
    """Return the same as it is kept: with the hash of its body without the status."""
    read = Fields(fields)
    try:
        event = _build(read, context, click, visitor_key)
    except RefusedError as error:
        return error.refusal
    return ConversionEntry(event, read.body_hash(_BODY, without="status"))


class _Details(Struct, frozen=True):
    """What a report says beyond whose conversion it is."""

    status: Status
    money: Money | None
    customer: Id16 | None
    items: list[Item]
    order_at: Millis
    coupon: str | None
    country: str | None
    new_customer: bool | None


def _build(
    fields: Fields, context: ReportContext, click: ClickToken | None, visitor_key: Id16 | None
) -> Conversion:
    click = click or read_click(fields, context)
    visitor = _visitor(click, visitor_key, context)
    goal, transaction_id, key = _identity(fields, context, click)
    offer_id = _offer_id(fields, context, click)
    details = _details(fields, context, offer_id, goal)
    body_hash = fields.body_hash(_BODY)
    return Conversion(
        event_id=derive("conversion-event", key, body_hash),
        occurred_at=details.order_at,
        recorded_at=context.received_at,
        tenant_id=context.tenant_id,
        conversion_key=key,
        body_hash=body_hash,
        advertiser_id=context.advertiser.id,
        offer_id=offer_id,
        goal=goal,
        transaction_id=transaction_id,
        click_id=click.click_id if click else None,
        visitor_key=visitor,
        click_partner_id=click.partner_id if click else None,
        click_offer_id=click.offer_id if click else None,
        click_link_id=click.link_id if click else None,
        clicked_at=click.clicked_at if click else None,
        coupon=details.coupon,
        customer_key=details.customer,
        new_customer=details.new_customer,
        value_minor=details.money.minor if details.money else None,
        currency=details.money.currency if details.money else None,
        items=details.items,
        country=details.country,
        channel=context.channel,
        authentication=context.authentication,
        status=details.status,
        partition_reason=partition_reason(visitor, details.customer),
        edge_id=context.edge_id,
        journal_position=0,
    )


def _visitor(
    click: ClickToken | None, visitor_key: Id16 | None, context: ReportContext
) -> Id16 | None:
    """Return whose conversion it is, unless nothing is taken in any more of that visitor."""
    visitor = click.visitor_key if click else visitor_key
    if visitor in context.erased:
        whose, field = ("click", "click_id") if click else ("report", None)
        raise RefusedError("visitor_erased", f"the {whose}'s visitor was erased", field)
    return visitor


def _identity(
    fields: Fields, context: ReportContext, click: ClickToken | None
) -> tuple[str, str | None, Id16]:
    """Return goal, transaction id and the conversion's key (law I1)."""
    goal = fields.required("goal", GOAL_LIMIT)
    transaction_id = fields.text("txn_id", TXN_LIMIT)
    if transaction_id is None and click is None:
        raise RefusedError("field_missing", "txn_id or click_id is required", "txn_id")
    click_id = click.click_id if click else None
    advertiser_id = AdvertiserId(context.advertiser.id)
    return goal, transaction_id, conversion_key(advertiser_id, goal, transaction_id, click_id)


def _details(fields: Fields, context: ReportContext, offer_id: int | None, goal: str) -> _Details:
    currency = fields.currency(context.advertiser.currency)
    customer = fields.text("customer_id", 256)
    order_at = fields.order_time("order_time", context.received_at)
    return _Details(
        status=fields.choice("status", Status) or _default_status(context, offer_id, goal),
        money=fields.money("amount", currency),
        customer=customer_key(context.customer_secret, context.advertiser.id, customer)
        if customer
        else None,
        items=[line.item for line in fields.items(currency)],
        order_at=context.arrived_at if order_at is None else order_at,
        coupon=fields.text("coupon", 64),
        country=fields.country("country"),
        new_customer=fields.boolean("new_customer"),
    )


def read_click(fields: Fields, context: ReportContext) -> ClickToken | None:
    """Return the verified click of a report, or None if it names none."""
    text = fields.text("click_id", 1_000)
    if text is None:
        return None
    try:
        click = verify(text, context.click_keys)
    except TokenError as error:
        raise RefusedError(error.reason, str(error), "click_id") from None
    if click.advertiser_id != context.advertiser.id:
        raise RefusedError(
            "click_id_foreign",
            f"the click does not belong to advertiser {context.advertiser.id}",
            "click_id",
        )
    fields.note("click_id", click.click_id.hex())
    return click


def partition_reason(visitor: Id16 | None, customer: Id16 | None) -> PartitionReason:
    """Return what the Kafka key is: the visitor, else the customer, else the conversion."""
    if visitor is not None:
        return PartitionReason.VISITOR
    return PartitionReason.CUSTOMER if customer is not None else PartitionReason.CONVERSION


def _offer_id(fields: Fields, context: ReportContext, click: ClickToken | None) -> int | None:
    named = fields.integer("offer_id")
    if named is not None and click is not None and named != click.offer_id:
        raise RefusedError(
            "field_invalid", f"the click belongs to offer {click.offer_id}", "offer_id"
        )
    offer_id = click.offer_id if named is None and click else named
    offer = None if offer_id is None else context.find_offer(offer_id)
    if named is not None and (offer is None or offer.advertiser_id != context.advertiser.id):
        raise RefusedError("field_invalid", f"{named} is no offer of this advertiser", "offer_id")
    goal = fields.required("goal", GOAL_LIMIT)
    if offer is not None and offer.goal(goal) is None:
        known = ", ".join(known.name for known in offer.goals)
        raise RefusedError("goal_unknown", f"offer {offer.id} has the goals {known}", "goal")
    return offer_id


def _default_status(context: ReportContext, offer_id: int | None, goal: str) -> Status:
    """Without a word of the advertiser: pending where it has to approve, and where anybody with a
    click could have said it; else approved."""
    if context.channel is Channel.PIXEL:
        return Status.PENDING
    offer = None if offer_id is None else context.find_offer(offer_id)
    found = offer.goal(goal) if offer else None
    waits = found is not None and found.approval is Approval.ADVERTISER
    return Status.PENDING if waits else Status.APPROVED
