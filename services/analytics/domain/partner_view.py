"""What a partner is told of a conversion: the partner's rendering (law K4).

Everything here is made from what is left of a decision once all that belongs to others is cut out
(`own_part`); the cut decision is the only one that the rest of the module sees. So nothing of
another partner can be told: no id, instant, tag, flag, share, nor how many touches others had. That
others took part is told (it follows from a share below the whole anyway). Left out as well: the
decision's own instant and id, which depend on the touches of others; names of fraud signals, which
would teach how to pass them; the order's id, the customer, and whatever the visitor is known by.
Shares are percentages of two decimals: from the exact fraction of time decay one could compute when
another's click was.
The order's value, its coupon, the verdict and what the advertiser said later are for partners who
are credited: as postbacks tell them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import CreditSignal, Decision, Share
from afflux.kernel.money import major
from services.analytics.domain.terms import Model, model_of, window_of
from services.analytics.domain.told import Why, instant, percent, share_of, why


class Tags(Struct, frozen=True):
    """What a partner had put into a touch of its own."""

    partner_id: int
    ref_id: str | None = None
    source: str | None = None
    sub: list[str] = []


class OwnTouch(Struct, frozen=True):
    """A touch of the partner's with its share, or the reason why it has none."""

    touch_id: str
    kind: str
    offer_id: int
    link_id: int
    occurred_at: str | None
    window_s: int | None
    outcome: str
    percent: str | None
    reason: Why | None
    ref_id: str | None
    source: str | None
    sub: list[str]


class OwnVersion(Struct, frozen=True):
    """One state of the partner's part: its share, and what became of each touch."""

    percent: str | None
    outcomes: dict[str, str]


class OwnAlternative(Struct, frozen=True):
    """What another model would have given the partner."""

    model: str
    percent: str | None


class Order(Struct, frozen=True):
    """The order as it was reported."""

    amount: str | None
    currency: str | None
    status: str
    coupon: str | None


class PartnerExplanation(Struct, frozen=True):
    """The partner's rendering; fields about the order are None for one who is not credited."""

    conversion_key: str
    partner_id: int
    occurred_at: str | None
    reported_at: str | None
    goal: str
    offer_id: int | None
    credited: bool
    percent: str | None
    others_took_part: bool
    signal: str | None
    bound_by: str | None
    model: Model | None
    terms_version: int | None
    terms_known_at: str | None
    order: Order | None
    touches: list[OwnTouch]
    assists: list[str]
    versions: list[OwnVersion]
    alternatives: list[OwnAlternative]


class OwnPart(Struct, frozen=True):
    """A decision without what belongs to others, and whether anything did."""

    decision: Decision
    others: bool

    @property
    def share(self) -> Fraction:
        """The partner's part of the conversion."""
        return share_of(self.decision.shares)

    @property
    def empty(self) -> bool:
        """Whether the partner had nothing to do with it."""
        return not self.decision.shares and not self.decision.touches


def own_part(decision: Decision, partner_id: int) -> OwnPart:
    """Return what of a decision is a partner's.

    Terms of an offer that the partner has no touch of go too, and the decision's reason: it may be
    about another's touch. A touch for another advertiser took no part: who sent a visitor to one
    shop is not told what the visitor bought in another.
    """
    took_part = [one for one in decision.touches if one.reason != "other_advertiser"]
    shares = [one for one in decision.shares if one.partner_id == partner_id]
    touches = [one for one in took_part if one.partner_id == partner_id]
    whole = bool(shares) and len(shares) == len(decision.shares)
    by_coupon = whole and decision.signal is CreditSignal.COUPON
    offers = {share.offer_id for share in shares} | {touch.offer_id for touch in touches}
    others = len(shares) < len(decision.shares) or len(touches) < len(took_part)
    cut = replace(
        decision,
        event_id=bytes(16),
        recorded_at=decision.reported_at,
        supersedes=None,
        reason=None,
        transaction_id=None,
        items=[],
        customer_key=None,
        country=None,
        offer_id=decision.offer_id if decision.offer_id in offers else None,
        value_minor=decision.value_minor if shares else None,
        currency=decision.currency if shares else None,
        coupon=decision.coupon if by_coupon else None,
        bound_by=decision.bound_by if shares else None,
        shares=shares,
        touches=[replace(touch, flags=[]) for touch in touches],
    )
    return OwnPart(cut, others)


def for_partner(
    partner_id: int,
    decisions: Sequence[Decision],
    catalog: Catalog,
    alternatives: Mapping[str, Sequence[Share]],
    tags: Mapping[str, Tags],
) -> PartnerExplanation | None:
    """Return what a partner may know, None if it has nothing to do with the conversion.

    `decisions` in order of version; `alternatives` are those of the last one; `tags` by touch id.
    """
    parts = [own_part(decision, partner_id) for decision in decisions]
    if all(one.empty for one in parts):
        return None
    now, decision = parts[-1], parts[-1].decision
    credited, own_terms = now.share > 0, decision.offer_id is not None
    touches = _touches(now, catalog, partner_id, tags)
    return PartnerExplanation(
        conversion_key=decision.conversion_key.hex(),
        partner_id=partner_id,
        occurred_at=instant(decision.occurred_at),
        reported_at=instant(decision.reported_at),
        goal=decision.goal,
        offer_id=decision.offer_id,
        credited=credited,
        percent=percent(now.share) if credited else None,
        others_took_part=any(one.others for one in parts),
        signal=decision.signal.value if credited else None,
        bound_by=decision.bound_by.hex() if decision.bound_by else None,
        model=model_of(catalog, decision) if own_terms else None,
        terms_version=decision.terms_version if own_terms else None,
        terms_known_at=instant(decision.terms_known_at) if own_terms else None,
        order=_order(decision) if credited else None,
        touches=touches,
        assists=[touch.touch_id for touch in touches if touch.outcome == "assisted"],
        versions=_versions(parts),
        alternatives=_alternatives(partner_id, alternatives),
    )


def _touches(
    now: OwnPart, catalog: Catalog, partner_id: int, tags: Mapping[str, Tags]
) -> list[OwnTouch]:
    decision, told = now.decision, []
    for touch in decision.touches:
        share = share_of(one for one in decision.shares if one.click_id == touch.click_id)
        known = tags.get(touch.click_id.hex())
        own = known if known and known.partner_id == partner_id else Tags(partner_id)
        told.append(
            OwnTouch(
                touch_id=touch.click_id.hex(),
                kind=touch.kind,
                offer_id=touch.offer_id,
                link_id=touch.link_id,
                occurred_at=instant(touch.occurred_at),
                window_s=window_of(catalog, decision, touch),
                outcome=touch.outcome.value,
                percent=percent(share) if share else None,
                reason=why(touch.reason),
                ref_id=own.ref_id,
                source=own.source,
                sub=own.sub,
            )
        )
    return told


def _order(decision: Decision) -> Order:
    minor, currency = decision.value_minor, decision.currency
    known = minor is not None and currency is not None
    amount = major(minor, currency) if known else None  # type: ignore[arg-type]
    return Order(amount, currency, decision.status.value, decision.coupon)


def _versions(parts: Sequence[OwnPart]) -> list[OwnVersion]:
    """Return the states of the partner's part in order: versions that changed others only are
    none of its own."""
    told: list[OwnVersion] = []
    for one in parts:
        outcomes = {
            touch.click_id.hex(): touch.reason or touch.outcome.value
            for touch in one.decision.touches
        }
        state = OwnVersion(percent(one.share) if one.share else None, outcomes)
        if not told or told[-1] != state:
            told.append(state)
    return told


def _alternatives(
    partner_id: int, alternatives: Mapping[str, Sequence[Share]]
) -> list[OwnAlternative]:
    found = []
    for model, shares in alternatives.items():
        own = share_of(one for one in shares if one.partner_id == partner_id)
        found.append(OwnAlternative(model, percent(own) if own else None))
    return found
