"""Events that the tracking edge emits."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from afflux.kernel.events.common import Binary16, Currency, Event, Instant, Item, Minor, int_key


class ClickOutcome(StrEnum):
    """How the edge answered a click."""

    REDIRECTED = "redirected"
    FALLBACK = "fallback"
    REFUSED = "refused"
    PREVIEW = "preview"


class Click(Event, frozen=True, kw_only=True):
    """One visit to a link. `event_id` = `click_id` (a ULID); `occurred_at` is when it came in."""

    topic: ClassVar[str] = "tracking.clicks"
    schema: ClassVar[str] = "click"

    click_id: Binary16
    visitor_key: Binary16
    visitor_is_new: bool
    link_id: int
    partner_id: int
    offer_id: int
    advertiser_id: int
    creative_id: int | None = None
    landing_id: int | None = None
    ip_prefix: str
    ip_hash: bytes
    country: str | None = None
    asn: int | None = None
    user_agent: str
    device: str = "unknown"
    os: str = "unknown"
    browser: str = "unknown"
    language: str | None = None
    referrer_host: str | None = None
    referrer_path: str | None = None
    source: str | None = None
    sub: list[str] = []
    ref_id: str | None = None
    cost_minor: Minor | None = None
    cost_currency: str | None = None
    fetch_metadata: str | None = None
    outcome: ClickOutcome = ClickOutcome.REDIRECTED
    reason: str | None = None
    edge_id: str
    journal_position: int

    @property
    def key(self) -> bytes:
        return self.visitor_key


class Impression(Event, frozen=True, kw_only=True):
    """One view of a link's creative. `event_id` = `impression_id` (a ULID); `reason` says why it
    does not count (a preview, a paused offer), None where it does."""

    topic: ClassVar[str] = "tracking.impressions"
    schema: ClassVar[str] = "impression"

    impression_id: Binary16
    visitor_key: Binary16
    visitor_is_new: bool
    link_id: int
    partner_id: int
    offer_id: int
    advertiser_id: int
    creative_id: int | None = None
    ip_prefix: str
    ip_hash: bytes
    country: str | None = None
    asn: int | None = None
    user_agent: str
    device: str = "unknown"
    os: str = "unknown"
    browser: str = "unknown"
    language: str | None = None
    referrer_host: str | None = None
    referrer_path: str | None = None
    source: str | None = None
    sub: list[str] = []
    ref_id: str | None = None
    fetch_metadata: str | None = None
    reason: str | None = None
    edge_id: str
    journal_position: int

    @property
    def key(self) -> bytes:
        return self.visitor_key


class Channel(StrEnum):
    """The way a report came in."""

    POSTBACK = "postback"
    API = "api"
    PIXEL = "pixel"
    IMPORT = "import"


class Authentication(StrEnum):
    """How a report was authenticated."""

    HMAC = "hmac"
    TOKEN = "token"
    NONE = "none"


class Status(StrEnum):
    """The advertiser's own word on a conversion."""

    APPROVED = "approved"
    PENDING = "pending"
    REJECTED = "rejected"


class PartitionReason(StrEnum):
    """What the Kafka key of a conversion is."""

    VISITOR = "visitor"
    CUSTOMER = "customer"
    CONVERSION = "conversion"


class Conversion(Event, frozen=True, kw_only=True):
    """An advertiser's report that a goal was reached; `occurred_at` is the order time.

    `click_*` are the claims of a verified click token, absent without one.
    """

    topic: ClassVar[str] = "tracking.conversions"
    schema: ClassVar[str] = "conversion"

    conversion_key: Binary16
    body_hash: Binary16
    advertiser_id: int
    offer_id: int | None = None
    goal: str
    transaction_id: str | None = None
    click_id: Binary16 | None = None
    visitor_key: Binary16 | None = None
    click_partner_id: int | None = None
    click_offer_id: int | None = None
    click_link_id: int | None = None
    clicked_at: Instant | None = None
    coupon: str | None = None
    customer_key: Binary16 | None = None
    new_customer: bool | None = None
    value_minor: Minor | None = None
    currency: Currency | None = None
    items: list[Item] = []
    country: str | None = None
    channel: Channel
    authentication: Authentication
    status: Status
    partition_reason: PartitionReason
    edge_id: str
    journal_position: int

    @property
    def key(self) -> bytes:
        match self.partition_reason:
            case PartitionReason.VISITOR if self.visitor_key:
                return self.visitor_key
            case PartitionReason.CUSTOMER if self.customer_key:
                return self.customer_key
            case _:
                return self.conversion_key


class AdjustmentKind(StrEnum):
    """A later change of a conversion."""

    APPROVE = "approve"
    REJECT = "reject"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    AMEND = "amend"
    REINSTATE = "reinstate"


class Adjustment(Event, frozen=True, kw_only=True):
    """A change of a conversion: a refund's `value_minor` is what is given back (None: all of it);
    an amend's is the new order value."""

    topic: ClassVar[str] = "tracking.adjustments"
    schema: ClassVar[str] = "adjustment"

    conversion_key: Binary16
    body_hash: Binary16
    advertiser_id: int
    goal: str
    transaction_id: str | None = None
    kind: AdjustmentKind
    adjustment_id: str
    value_minor: Minor | None = None
    currency: Currency | None = None
    items: list[Item] = []
    reason_text: str | None = None
    channel: Channel
    authentication: Authentication
    edge_id: str
    journal_position: int

    @property
    def key(self) -> bytes:
        return self.conversion_key


class Rejection(Event, frozen=True, kw_only=True):
    """A report the edge refused, as it was sent, so that it can be fixed and resubmitted."""

    topic: ClassVar[str] = "tracking.rejections"
    schema: ClassVar[str] = "rejection"

    advertiser_id: int | None = None
    method: str
    path: str
    query: str
    body: bytes
    content_type: str | None = None
    status: int
    reason: str
    field: str | None = None
    detail: str
    conversion_key: Binary16 | None = None
    edge_id: str
    journal_position: int

    @property
    def key(self) -> bytes:
        return int_key(self.advertiser_id or 0)
