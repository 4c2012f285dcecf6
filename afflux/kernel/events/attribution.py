"""Events that attribution emits."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct

from afflux.kernel.events.common import Binary16, Currency, Event, Instant, Item, Minor
from afflux.kernel.events.tracking import Authentication, Channel, Conversion, Status


class Result(StrEnum):
    """Whether somebody is credited."""

    ATTRIBUTED = "attributed"
    UNATTRIBUTED = "unattributed"


class CreditSignal(StrEnum):
    """What led from the conversion to its touches."""

    CLICK_ID = "click_id"
    COUPON = "coupon"
    CUSTOMER = "customer"
    JOURNEY = "journey"
    NONE = "none"


class TouchOutcome(StrEnum):
    """What a touch got. `assisted`: within the window, but the model gave it nothing."""

    CREDITED = "credited"
    ASSISTED = "assisted"
    NONE = "none"


class Share(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An exact part (numerator/denominator) of one conversion's credit.

    What the partner had put into the credited click (`ref_id`, `source`, `sub`), and its country
    and device, go with it: postbacks to the partner name them. Defaults are omitted from the
    content that a decision's id is the hash of, so that a click without them has the id it always
    had.
    """

    partner_id: int
    offer_id: int
    link_id: int
    click_id: Binary16 | None = None
    clicked_at: Instant | None = None
    numerator: int
    denominator: int
    ref_id: str | None = None
    source: str | None = None
    sub: list[str] = []
    country: str | None = None
    device: str | None = None


class Touch(Struct, frozen=True, kw_only=True):
    """A touch of the journey and what became of it (law A4)."""

    click_id: Binary16
    partner_id: int
    offer_id: int
    link_id: int
    occurred_at: Instant
    kind: str
    flags: list[str] = []
    invalid: bool = False
    outcome: TouchOutcome
    reason: str | None = None


class Decision(Event, frozen=True, kw_only=True):
    """Who is credited with a conversion, and why every other touch is not.

    A higher `version` of the same `conversion_key` replaces a lower one. `event_id` is the hash
    of all that was decided, so that two equal decisions have the same id whatever their versions.
    `screened` is False when the screen of the credited click was not known in time.
    `terms_known_at` is set where it was decided again with later knowledge of the catalogue;
    `bound_by` is the conversion that bound the customer, where the signal is the customer.
    """

    topic: ClassVar[str] = "attribution.decisions"
    schema: ClassVar[str] = "decision"

    conversion_key: Binary16
    body_hash: Binary16
    version: int
    supersedes: Binary16 | None = None
    result: Result
    reason: str | None = None
    advertiser_id: int
    offer_id: int | None = None
    goal: str
    transaction_id: str | None = None
    value_minor: Minor | None = None
    currency: Currency | None = None
    items: list[Item] = []
    coupon: str | None = None
    customer_key: Binary16 | None = None
    new_customer: bool | None = None
    country: str | None = None
    status: Status
    channel: Channel
    authentication: Authentication
    reported_at: Instant
    shares: list[Share] = []
    touches: list[Touch] = []
    signal: CreditSignal
    model: str
    window_s: int
    terms_version: int
    screened: bool
    waited_ms: int
    terms_known_at: Instant | None = None
    bound_by: Binary16 | None = None

    @property
    def key(self) -> bytes:
        return self.conversion_key


class CustomerBound(Event, frozen=True, kw_only=True):
    """A conversion asks that its customer be bound to whom it was credited to (`shares`).

    The earliest `occurred_at` wins, whatever came first. A higher `version` of the same
    `conversion_key` replaces a lower one; no shares: it asks no more. Bound for calendar `months`,
    for a number of `payments`, or, with neither, for ever. `offer_id` is the offer that the report
    names. `asked` is what was decided by the report's own signals, without its customer; it is
    always set: the customer's partition publishes it, or the customer's decision (ADR 0012).
    """

    topic: ClassVar[str] = "attribution.customers"
    schema: ClassVar[str] = "customer-bound"

    advertiser_id: int
    customer_key: Binary16
    conversion_key: Binary16
    offer_id: int | None = None
    goal: str
    version: int
    shares: list[Share] = []
    months: int | None = None
    payments: int | None = None
    asked: Decision | None = None

    @property
    def key(self) -> bytes:
        return self.customer_key


class Redecision(Event, frozen=True, kw_only=True):
    """A person asks that a conversion be decided again, with the catalogue as known at
    `known_at`. Of several, the one that knows most wins."""

    topic: ClassVar[str] = "attribution.redecisions"
    schema: ClassVar[str] = "redecision"

    known_at: Instant
    author: str
    reason_text: str
    conversion: Conversion

    @property
    def key(self) -> bytes:
        return self.conversion.key


class ShadowDecision(Event, frozen=True, kw_only=True):
    """What another model would have given for a conversion, beside what was given. No money
    depends on it. `decision_id` and `version` are those of the real decision."""

    topic: ClassVar[str] = "attribution.shadow"
    schema: ClassVar[str] = "shadow-decision"

    conversion_key: Binary16
    decision_id: Binary16
    version: int
    result: Result
    reason: str | None = None
    advertiser_id: int
    offer_id: int | None = None
    goal: str
    value_minor: Minor | None = None
    currency: Currency | None = None
    model: str
    real_model: str
    shares: list[Share] = []
    real_shares: list[Share] = []

    @property
    def key(self) -> bytes:
        return self.conversion_key
