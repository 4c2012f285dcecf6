"""Decisions of several partners and versions, for the tests of explanations."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec
from hypothesis import strategies as st

from afflux.kernel.events import (
    Authentication,
    Channel,
    CreditSignal,
    Decision,
    Item,
    Result,
    Share,
    Status,
    Touch,
    TouchOutcome,
)
from afflux.kernel.ids import derive
from afflux.kernel.reasons import REASONS
from afflux.kernel.types import Millis
from services.analytics.domain.partner_view import Tags

T0 = 1_700_000_000_000
OWN = 11
FOREIGN = (9_100_000_001, 9_100_000_002, 9_100_000_003)
"""Ids that stand nowhere by chance: they are searched for as text."""
OFFERS = {OWN: 70_007, **{partner: partner + 500_000 for partner in FOREIGN}}
WHY = ["earlier_touch", "outside_window", "flagged_invalid", "other_offer", "other_advertiser"]
assert set(WHY) <= set(REASONS)


def touch_at(number: int, partner_id: int, reason: str | None, kind: str = "click") -> Touch:
    """Touch `number`: foreign ones are at instants that end in .777."""
    assisted = reason == "earlier_touch"
    nothing = TouchOutcome.ASSISTED if assisted else TouchOutcome.NONE
    foreign = partner_id != OWN
    return Touch(
        click_id=derive("touch", number, partner_id),
        partner_id=partner_id,
        offer_id=OFFERS[partner_id],
        link_id=partner_id + 7_000_000,
        occurred_at=Millis(T0 + number * 60_000 + 777 * foreign),
        kind=kind,
        flags=[f"flag-of-{partner_id}"] if reason == "flagged_invalid" else [],
        invalid=reason == "flagged_invalid",
        outcome=TouchOutcome.CREDITED if reason is None else nothing,
        reason=reason,
    )


def share_by(touch: Touch, part: Fraction) -> Share:
    """A touch's part, with tags that name its partner."""
    return Share(
        partner_id=touch.partner_id,
        offer_id=touch.offer_id,
        link_id=touch.link_id,
        click_id=touch.click_id,
        clicked_at=touch.occurred_at,
        numerator=part.numerator,
        denominator=part.denominator,
        ref_id=f"ref-of-{touch.partner_id}",
        source=f"source-of-{touch.partner_id}",
        sub=[f"sub-of-{touch.partner_id}"],
    )


def decision_of(
    version: int, touches: Sequence[Touch], signal: CreditSignal = CreditSignal.JOURNEY
) -> Decision:
    """Version `version`: the touches without a reason share equally."""
    credited = [touch for touch in touches if touch.reason is None]
    shares = [share_by(touch, Fraction(1, len(credited))) for touch in credited]
    last = credited[-1] if credited else touches[-1] if touches else None
    return Decision(
        event_id=derive("decision", version, *(t.click_id for t in touches)),
        occurred_at=Millis(T0 + 10_000_000),
        recorded_at=max([Millis(T0 + 10_000_100), *(t.occurred_at for t in touches)]),
        conversion_key=derive("conversion", 1),
        body_hash=derive("body", 1),
        version=version,
        supersedes=derive("before", version),
        result=Result.ATTRIBUTED if shares else Result.UNATTRIBUTED,
        reason=None if shares else touches[-1].reason if touches else "no_touch",
        advertiser_id=3,
        offer_id=last.offer_id if last else None,
        goal="sale",
        transaction_id="order-of-the-shop",
        value_minor=12_345,
        currency="EUR",
        items=[Item(sku="item-of-the-shop", value_minor=12_345)],
        coupon=f"COUPON-OF-{shares[-1].partner_id}" if shares else "COUPON-OF-NOBODY",
        customer_key=derive("customer", 1),
        country="XK",
        status=Status.APPROVED,
        channel=Channel.POSTBACK,
        authentication=Authentication.HMAC,
        reported_at=Millis(T0 + 10_000_100),
        shares=shares,
        touches=list(touches),
        signal=signal,
        model="linear",
        window_s=86_400,
        terms_version=1,
        screened=True,
        waited_ms=0,
        bound_by=derive("first", 1) if signal is CreditSignal.CUSTOMER else None,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Decision]:
    """One to four versions; touches of any partners, more from version to version."""
    made = draw(st.lists(st.sampled_from((OWN, *FOREIGN)), min_size=2, max_size=6))
    journey, coupon, customer = CreditSignal.JOURNEY, CreditSignal.COUPON, CreditSignal.CUSTOMER
    signal = draw(st.sampled_from([journey, journey, coupon, customer]))
    reasons = st.one_of(st.none(), st.sampled_from(WHY))
    versions = []
    for version in range(1, draw(st.integers(2, 4))):
        some = made[: draw(st.integers(0, len(made)))] if draw(st.booleans()) else made
        touches = [touch_at(n, partner_id, draw(reasons)) for n, partner_id in enumerate(some)]
        versions.append(decision_of(version, touches, signal))
    return versions


def tags_of(decision: Decision) -> dict[str, Tags]:
    """What partners had put into all touches: foreign tags are handed in too."""
    return {
        touch.click_id.hex(): Tags(
            touch.partner_id,
            f"ref-of-{touch.partner_id}",
            f"source-of-{touch.partner_id}",
            [f"sub-of-{touch.partner_id}"],
        )
        for touch in decision.touches
    }


def text_of(told: object) -> str:
    """What a partner would get, as JSON."""
    return msgspec.json.encode(told).decode()
