"""Offers: what an advertiser asks partners to promote, and on which terms."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import ClassVar

from msgspec import Struct

from afflux.kernel.catalog.attribution_terms import Lifetime, ModelTerms, PartnerWindow
from afflux.kernel.catalog.entity import Entity, Numbered, State
from afflux.kernel.catalog.targeting import ClickCap, Targeting
from afflux.kernel.money import Money

DAY_S = 86_400
HOLD_DAYS = 30


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
    view_window_s: int | None = None
    model: str | ModelTerms | None = None


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


class Offer(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    model: str | ModelTerms = "last"
    click_window_s: int = 30 * DAY_S
    view_window_s: int = 0
    partner_windows: list[PartnerWindow] = []
    lifetime: Lifetime | None = None
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

    def view_window(self, goal: Goal | None) -> int:
        """Return the view window in seconds for a goal; 0: views earn nothing."""
        if goal is None or goal.view_window_s is None:
            return self.view_window_s
        return goal.view_window_s

    def windows_for(self, goal: Goal | None, partner_id: int) -> tuple[int, int]:
        """Return click and view window in seconds for a partner's touches."""
        click, view = self.window(goal), self.view_window(goal)
        for own in self.partner_windows:
            if own.partner_id == partner_id:
                click = click if own.click_window_s is None else own.click_window_s
                view = view if own.view_window_s is None else own.view_window_s
        return click, view

    def model_terms(self, goal: Goal | None) -> ModelTerms:
        """Return the model for a goal; the goal's own wins over the offer's."""
        model = self.model if goal is None or goal.model is None else goal.model
        return model if isinstance(model, ModelTerms) else ModelTerms(name=model)
