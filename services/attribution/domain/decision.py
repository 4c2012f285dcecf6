"""Who is credited with a conversion, and why every other touch is not (laws A1 to A4)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import (
    Conversion,
    CreditSignal,
    Decision,
    Result,
    Touch,
    TouchOutcome,
)
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from services.attribution.domain.journey import Journey, Step
from services.attribution.domain.judging import Judged, judge
from services.attribution.domain.lookup import Goal, Lookup
from services.attribution.domain.signals import Asked, Verdict, find
from services.attribution.domain.telling import touch_of
from services.attribution.domain.window import CLICK

UNPUBLISHED = 0
"""Version of a decision that has not been given one."""
_NO_ID = bytes(16)
_encode = msgspec.msgpack.Encoder().encode


def decide(
    conversion: Conversion,
    journey: Journey,
    catalog: Catalog,
    screened_to: int,
    known_at: Millis | None = None,
) -> Decision:
    """Share one conversion among the touches of its journey, or as a coupon says.

    Pure: the same arguments give the same decision with the same `event_id`. Clicks below the
    offset `screened_to` are screened. `known_at` is the instant whose knowledge of the catalogue
    counts, by default the report's `recorded_at`. The result has version 0; `published` gives it
    one. What a bound customer makes of it is said by `domain/bound.py`.
    """
    known_at = conversion.recorded_at if known_at is None else known_at
    goal = Goal(conversion.advertiser_id, conversion.goal, conversion.occurred_at)
    lookup = Lookup(catalog, goal, known_at)
    judged = judge(conversion, journey, lookup)
    asked = Asked(conversion, judged, lookup)
    decision = _decision(asked, find(asked), screened_to, known_at)
    return msgspec.structs.replace(
        decision,
        event_id=derive("decision", _encode(decision)),
        recorded_at=_recorded_at(decision, judged.steps),
    )


def published(
    decision: Decision, version: int, supersedes: bytes | None, waited_ms: int
) -> Decision:
    """Return the decision as version `version`, which replaces `supersedes`."""
    return msgspec.structs.replace(
        decision, version=version, supersedes=supersedes, waited_ms=waited_ms
    )


def _touches(verdict: Verdict, judged: Judged) -> list[Touch]:
    """Return every touch with what became of it: one without credit has a reason (law A4)."""
    credited = {step.seen.click_id for step in verdict.credited}
    last = verdict.credited[-1] if credited else None
    clicked = bool(judged.path) and judged.path[0].seen.kind == CLICK
    why = _why_nothing(verdict, judged.named, last is not None, False)
    touches = []
    for step, fault in zip(judged.steps, judged.faults, strict=True):
        if step.seen.click_id in credited:
            touches.append(touch_of(step, TouchOutcome.CREDITED, None))
        elif fault is not None:
            touches.append(touch_of(step, TouchOutcome.NONE, fault))
        else:
            beaten = clicked and step.seen.kind != CLICK
            touches.append(
                touch_of(step, TouchOutcome.ASSISTED, "view_beaten_by_click" if beaten else why)
            )
        if step is last:
            why = _why_nothing(verdict, judged.named, False, False)
        if step is judged.named:
            why = _why_nothing(verdict, judged.named, False, True)
    return touches


def _why_nothing(verdict: Verdict, named: Step | None, earlier: bool, beyond: bool) -> str:
    """Return why a touch that may be credited got nothing: one `earlier` than the last credited
    one, or `beyond` the click that the report names."""
    if beyond or (named is not None and not verdict.shares):
        return "not_the_reported_click"
    if verdict.signal is CreditSignal.COUPON:
        return "coupon_touch"
    return "earlier_touch" if earlier else "assisted"


def _decision(asked: Asked, verdict: Verdict, screened_to: int, known_at: Millis) -> Decision:
    """Return all that is decided, as yet without the id, which is the hash of it (law I3)."""
    conversion, terms = asked.conversion, verdict.terms
    return Decision(
        event_id=_NO_ID,
        occurred_at=conversion.occurred_at,
        recorded_at=Millis(0),
        tenant_id=conversion.tenant_id,
        conversion_key=conversion.conversion_key,
        body_hash=conversion.body_hash,
        version=UNPUBLISHED,
        result=Result.ATTRIBUTED if verdict.shares else Result.UNATTRIBUTED,
        reason=verdict.reason,
        advertiser_id=conversion.advertiser_id,
        offer_id=conversion.offer_id if terms is None else terms.offer_id,
        goal=conversion.goal,
        transaction_id=conversion.transaction_id,
        value_minor=conversion.value_minor,
        currency=conversion.currency,
        items=conversion.items,
        coupon=conversion.coupon,
        customer_key=conversion.customer_key,
        new_customer=conversion.new_customer,
        country=conversion.country,
        status=conversion.status,
        channel=conversion.channel,
        authentication=conversion.authentication,
        reported_at=conversion.recorded_at,
        shares=list(verdict.shares),
        touches=_touches(verdict, asked.judged),
        signal=verdict.signal,
        model=verdict.model,
        window_s=verdict.window_s,
        terms_version=0 if terms is None else terms.version,
        screened=_screened(verdict, screened_to),
        waited_ms=0,
        terms_known_at=None if known_at == conversion.recorded_at else known_at,
    )


def _screened(verdict: Verdict, screened_to: int) -> bool:
    """Return whether the screen has judged every credited click; views are not screened."""
    return all(
        0 <= step.seen.offset < screened_to for step in verdict.credited if step.seen.kind == CLICK
    )


def _recorded_at(decision: Decision, steps: Sequence[Step]) -> Millis:
    """Return when the last input was recorded: the same however often it is decided."""
    instants = [step.seen.recorded_at for step in steps]
    instants += [decision.reported_at, decision.terms_known_at or Millis(0)]
    for step in steps:
        if step.notes:
            instants += [note.recorded_at for note in step.notes]
    return max(instants)
