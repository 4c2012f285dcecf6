"""The catalogue's entities: what is promoted, by whom, for what money."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import ClassVar

from msgspec import Struct, field

from afflux.kernel.catalog.targeting import ClickCap, Targeting
from afflux.kernel.money import Money
from afflux.kernel.postback import PostbackEvent, PostbackMethod

DAY_S = 86_400
HOLD_DAYS = 30


class Entity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entity of the catalogue; `kind` names its record type in the log."""

    kind: ClassVar[str] = ""

    @property
    def entity_id(self) -> str:
        """The id within the kind, as text."""
        raise NotImplementedError


class _Numbered(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: int

    @property
    def entity_id(self) -> str:
        return str(self.id)


class State(StrEnum):
    """Whether a partner or an offer takes part."""

    ACTIVE = "active"
    PAUSED = "paused"


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


class Advertiser(_Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class Partner(_Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class Terms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much: `percent` of the order value (decimal text) plus `flat_minor` of `currency`."""

    percent: str | None = None
    flat_minor: int | None = None
    currency: str | None = None

    @property
    def rate(self) -> Fraction:
        """The percentage as an exact fraction of the order value."""
        return Fraction(self.percent or 0) / 100

    @property
    def flat(self) -> Money | None:
        """The flat amount, if any."""
        if self.flat_minor is None or self.currency is None:
            return None
        return Money(self.flat_minor, self.currency)


class Approval(StrEnum):
    """Who approves a conversion of a goal."""

    AUTO = "auto"
    ADVERTISER = "advertiser"


class Goal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action within an offer: what the advertiser owes for it, and the partner's default."""

    name: str
    revenue: Terms
    commission: Terms | None = None
    approval: Approval = Approval.AUTO
    hold_days: int | None = None
    hold_seconds: int | None = None
    window_s: int | None = None


class Landing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a click goes; the URL may hold macros such as {click_id}."""

    id: int
    url: str
    weight: int = 1


class OfferGroup(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Offers that share a fallback."""

    kind: ClassVar[str] = "offer_group"

    id: str
    fallback_offer_id: int | None = None
    fallback_url: str | None = None

    @property
    def entity_id(self) -> str:
        return self.id


class FraudAction(StrEnum):
    """What a fraud rule of an offer asks for. `pass` notes the reason only."""

    PASS = "pass"
    HOLD = "hold"
    REJECT = "reject"


class Offer(_Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an advertiser asks partners to promote.

    `time_zone` (default: the network's) is the one of its schedule and caps. `deep_link_params` are
    added to the query of a deep link, such as `cid={click_id}`.
    """

    kind: ClassVar[str] = "offer"

    advertiser_id: int
    name: str
    status: State = State.ACTIVE
    landings: list[Landing]
    goals: list[Goal]
    model: str = "last"
    click_window_s: int = 30 * DAY_S
    hold_days: int = HOLD_DAYS
    hold_seconds: int | None = None
    repeat_click_s: int = 10
    ctit_floor_s: int = 0
    on_short_ctit: FraudAction = FraudAction.HOLD
    on_repeated_click: FraudAction = FraudAction.PASS
    on_bot_click: FraudAction = FraudAction.REJECT
    group: str | None = None
    time_zone: str | None = None
    targeting: Targeting = Targeting()
    click_caps: list[ClickCap] = []
    fallback_offer_id: int | None = None
    fallback_url: str | None = None
    deep_link_params: str | None = None

    def goal(self, name: str) -> Goal | None:
        """Return the goal of that name."""
        return next((goal for goal in self.goals if goal.name == name), None)

    def hold_s(self, goal: Goal) -> int:
        """Return the hold of a goal in seconds; the goal's own terms win over the offer's."""
        if goal.hold_seconds is not None:
            return goal.hold_seconds
        if goal.hold_days is not None:
            return DAY_S * goal.hold_days
        return DAY_S * self.hold_days if self.hold_seconds is None else self.hold_seconds

    def window(self, goal: Goal | None) -> int:
        """Return the click window in seconds for a goal."""
        if goal is None or goal.window_s is None:
            return self.click_window_s
        return goal.window_s


class Link(_Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    )
}
