"""The catalogue's entities: what is promoted, by whom, for what money."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from msgspec import Struct, field

from afflux.kernel.catalog.attribution_entities import (
    AttributionWeights,
    Coupon,
    CustomerBinding,
    ShadowModel,
)
from afflux.kernel.catalog.attribution_terms import SignalOrder
from afflux.kernel.catalog.entity import Entity, Numbered, State
from afflux.kernel.catalog.offers import (
    DAY_S,
    HOLD_DAYS,
    Approval,
    FraudAction,
    Goal,
    Landing,
    Offer,
    OfferGroup,
    Terms,
)
from afflux.kernel.postback import PostbackEvent, PostbackMethod

__all__ = [
    "DAY_S",
    "ENTITY_TYPES",
    "HOLD_DAYS",
    "Advertiser",
    "Approval",
    "CommissionRule",
    "Entity",
    "FraudAction",
    "FxRate",
    "Goal",
    "Landing",
    "Link",
    "Network",
    "Offer",
    "OfferGroup",
    "Partner",
    "Postback",
    "State",
    "Terms",
]


class Network(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network itself: defaults."""

    kind: ClassVar[str] = "network"

    name: str = "afflux"
    currency: str = "EUR"
    time_zone: str = "UTC"
    fallback_url: str | None = None

    @property
    def entity_id(self) -> str:
        return "0"


class Advertiser(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merchant. Key material derives from the master secret: here stand only its names.

    `old_token_generations` are those still taken beside the current one. `report_networks` are
    the only ones reports may come from (CIDR; empty: from everywhere). `report_rate` and
    `report_burst` replace the edge's own limits for this advertiser's reports.
    """

    kind: ClassVar[str] = "advertiser"

    name: str
    currency: str = "EUR"
    status: State = State.ACTIVE
    hosts: list[str] = []
    key_ids: list[str] = field(default_factory=lambda: ["k1"])
    token_generation: int = 1
    allow_token: bool = True
    old_token_generations: list[int] = []
    report_networks: list[str] = []
    report_rate: int | None = None
    report_burst: int | None = None
    allow_pixel: bool = False
    signals: SignalOrder = SignalOrder.CLICK_FIRST


class Postback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A URL of a partner's that is called when `events` happen; no goals, no offers mean all.

    `sign` adds a signature with the partner's key.
    """

    url: str
    events: list[PostbackEvent]
    goals: list[str] = []
    offers: list[int] = []
    method: PostbackMethod = PostbackMethod.GET
    sign: bool = False


class Partner(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An affiliate; `currency` is what it is paid in.

    `postback_key` names the key that signs its postbacks: another name is another key.
    """

    kind: ClassVar[str] = "partner"

    name: str
    status: State = State.ACTIVE
    group: str | None = None
    currency: str = "EUR"
    postbacks: list[Postback] = []
    postback_key: str = "k1"


class Link(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A partner's way into an offer: `/c/CODE`; `creative_id` is what it shows, by default."""

    kind: ClassVar[str] = "link"

    code: str
    partner_id: int
    offer_id: int
    status: State = State.ACTIVE
    creative_id: int | None = None


class CommissionRule(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a partner gets for a goal. Absent scope fields match everything.

    Specificity: partner > group > offer goal > offer > network; then `priority`, higher first;
    then the id, so that the choice is total.
    """

    kind: ClassVar[str] = "commission_rule"

    id: str
    terms: Terms
    partner_id: int | None = None
    group: str | None = None
    offer_id: int | None = None
    goal: str | None = None
    priority: int = 0

    @property
    def entity_id(self) -> str:
        return self.id


class FxRate(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One major unit of `base` is `rate` major units of `quote` (decimal text)."""

    kind: ClassVar[str] = "fx_rate"

    base: str
    quote: str
    rate: str
    source: str

    @property
    def entity_id(self) -> str:
        return f"{self.base}/{self.quote}"

    @property
    def value(self) -> Fraction:
        """The rate as an exact fraction."""
        return Fraction(self.rate)


ENTITY_TYPES: dict[str, type[Entity]] = {
    kind.kind: kind
    for kind in (
        Network,
        Advertiser,
        Partner,
        OfferGroup,
        Offer,
        Link,
        CommissionRule,
        FxRate,
        Coupon,
        CustomerBinding,
        AttributionWeights,
        ShadowModel,
    )
}
