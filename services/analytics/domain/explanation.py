"""Why a conversion is whose it is: the operator's rendering (laws A1, A4).

Made of what the log says: every version of the decision, the catalogue as the decision knew it,
trial runs of other models, and requests to decide again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from msgspec import Struct

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Decision, Share, Touch
from afflux.kernel.types import Millis
from services.analytics.domain.terms import Model, model_of, window_of
from services.analytics.domain.told import (
    Change,
    Part,
    Why,
    by_partner,
    changes,
    instant,
    part,
    share_of,
    why,
)

Alternatives = Callable[[Decision, Catalog], Mapping[str, Sequence[Share]]]
"""What each other model would have given over the same touches, by its name."""


class TouchTold(Struct, frozen=True):
    """A touch with its share, or the reason why it has none; instants and ids as text.

    `window_s` is the window of its kind for its partner; `before_s` how long before the conversion.
    """

    touch_id: str
    kind: str
    partner_id: int
    offer_id: int
    link_id: int
    occurred_at: str | None
    before_s: int
    window_s: int | None
    flags: list[str]
    outcome: str
    share: Part | None
    reason: Why | None


class Credit(Struct, frozen=True):
    """A partner's part of a conversion; `by` are the touches it has it for (none: by a coupon or
    by its customer)."""

    partner_id: int
    share: Part
    by: list[str]


class Alternative(Struct, frozen=True):
    """What another model would have given, by partner; empty: nobody would have it."""

    model: str
    credits: list[Credit]


class Asked(Struct, frozen=True):
    """Who asked to decide again with later knowledge of the catalogue, and why."""

    known_at: Millis
    author: str
    reason: str


class VersionTold(Struct, frozen=True):
    """One version of the decision and what it changed; `asked_by` where a person asked for it."""

    version: int
    recorded_at: str | None
    terms_known_at: str | None
    changes: list[Change]
    asked_by: str | None = None
    asked_because: str | None = None


class Explanation(Struct, frozen=True):
    """The decision that stands, and how it came to be."""

    conversion_key: str
    version: int
    occurred_at: str | None
    reported_at: str | None
    revisable_until: str | None
    advertiser_id: int
    offer_id: int | None
    goal: str
    result: str
    reason: Why | None
    signal: str
    coupon: str | None
    customer_key: str | None
    bound_by: str | None
    model: Model
    window_s: int
    terms_version: int
    terms_known_at: str | None
    screened: bool
    credits: list[Credit]
    touches: list[TouchTold]
    assists: list[str]
    versions: list[VersionTold]
    alternatives: list[Alternative]
    shadows: list[Alternative]


class Evidence(Struct, frozen=True):
    """What an explanation is made of; `decisions` is not empty, in order of version.

    `shadows` are the shares of trial runs of the standing decision, by model.
    """

    decisions: Sequence[Decision]
    catalog: Catalog
    alternatives: Mapping[str, Sequence[Share]] = {}
    shadows: Mapping[str, Sequence[Share]] = {}
    asked: Sequence[Asked] = ()
    grace_ms: int = 0


def explain(evidence: Evidence) -> Explanation:
    """Return the operator's rendering."""
    now, catalog = evidence.decisions[-1], evidence.catalog
    return Explanation(
        conversion_key=now.conversion_key.hex(),
        version=now.version,
        occurred_at=instant(now.occurred_at),
        reported_at=instant(now.reported_at),
        revisable_until=instant(Millis(now.reported_at + evidence.grace_ms)),
        advertiser_id=now.advertiser_id,
        offer_id=now.offer_id,
        goal=now.goal,
        result=now.result.value,
        reason=why(now.reason),
        signal=now.signal.value,
        coupon=now.coupon,
        customer_key=now.customer_key.hex() if now.customer_key else None,
        bound_by=now.bound_by.hex() if now.bound_by else None,
        model=model_of(catalog, now),
        window_s=now.window_s,
        terms_version=now.terms_version,
        terms_known_at=instant(now.terms_known_at),
        screened=now.screened,
        credits=credits_of(now.shares),
        touches=[touch_told(catalog, now, touch) for touch in now.touches],
        assists=[t.click_id.hex() for t in now.touches if t.outcome.value == "assisted"],
        versions=_versions(evidence),
        alternatives=_all(evidence.alternatives),
        shadows=_all(evidence.shadows),
    )


def touch_told(catalog: Catalog, decision: Decision, touch: Touch) -> TouchTold:
    """Return a touch with its share or its reason."""
    share = share_of(one for one in decision.shares if one.click_id == touch.click_id)
    return TouchTold(
        touch_id=touch.click_id.hex(),
        kind=touch.kind,
        partner_id=touch.partner_id,
        offer_id=touch.offer_id,
        link_id=touch.link_id,
        occurred_at=instant(touch.occurred_at),
        before_s=(decision.occurred_at - touch.occurred_at) // 1000,
        window_s=window_of(catalog, decision, touch),
        flags=list(touch.flags),
        outcome=touch.outcome.value,
        share=part(share) if share else None,
        reason=why(touch.reason),
    )


def credits_of(shares: Sequence[Share]) -> list[Credit]:
    """Return each partner's part and the touches it stands for."""
    return [
        Credit(partner_id, part(share), _by(shares, partner_id))
        for partner_id, share in by_partner(shares).items()
        if share != Fraction(0)
    ]


def _by(shares: Sequence[Share], partner_id: int) -> list[str]:
    own = [one.click_id for one in shares if one.partner_id == partner_id]
    return [click_id.hex() for click_id in own if click_id is not None]


def _all(models: Mapping[str, Sequence[Share]]) -> list[Alternative]:
    return [Alternative(name, credits_of(shares)) for name, shares in models.items()]


def _versions(evidence: Evidence) -> list[VersionTold]:
    told: list[VersionTold] = []
    before: Decision | None = None
    for decision in evidence.decisions:
        asked = _asked(evidence.asked, decision)
        told.append(
            VersionTold(
                version=decision.version,
                recorded_at=instant(decision.recorded_at),
                terms_known_at=instant(decision.terms_known_at),
                changes=[] if before is None else changes(before, decision),
                asked_by=None if asked is None else asked.author,
                asked_because=None if asked is None else asked.reason,
            )
        )
        before = decision
    return told


def _asked(asked: Sequence[Asked], decision: Decision) -> Asked | None:
    return next((one for one in asked if one.known_at == decision.terms_known_at), None)
