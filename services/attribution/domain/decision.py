"""Who is credited with a conversion, and why every other touch is not (laws A1 to A4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import msgspec
from msgspec import Struct

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import (
    Conversion,
    CreditSignal,
    Decision,
    Result,
    Touch,
)
from afflux.kernel.ids import derive, ulid_time
from afflux.kernel.types import Id16, Millis
from services.attribution.domain.journey import MAX_TOUCHES, NO_TAGS, Journey, Seen, Step
from services.attribution.domain.models import DEFAULT_MODEL, choose
from services.attribution.domain.parking import signal_of
from services.attribution.domain.telling import share_of, touch_of
from services.attribution.domain.window import OfferTerms, find_terms, outside

UNPUBLISHED = 0
"""Version of a decision that has not been given one."""
_NO_ID = bytes(16)

TermsOf = Callable[[int], OfferTerms | str]


class Verdict(Struct, frozen=True):
    """What was found: the credited steps with their shares, or the reason why there are none."""

    shares: tuple[tuple[Step, Fraction], ...] = ()
    reason: str | None = None
    terms: OfferTerms | None = None
    model: str = DEFAULT_MODEL


def decide(
    conversion: Conversion, journey: Journey, catalog: Catalog, screened_to: int
) -> Decision:
    """Share one conversion among the touches of its journey.

    Pure: the same arguments give the same decision with the same `event_id`. `screened_to` is the
    offset below which clicks are screened. The result has version 0; `published` gives it one.
    """
    terms = _terms_lookup(catalog, conversion)
    signal = signal_of(conversion)
    named = named_step(conversion, journey) if signal is CreditSignal.CLICK_ID else None
    if signal is CreditSignal.CLICK_ID:
        verdict = _by_token(conversion, named, terms)
    else:
        verdict = _by_journey(conversion, journey, terms)
    steps = listed(journey, named)
    touches = _touches(conversion, steps, named, verdict, terms)
    return _decision(conversion, signal, verdict, steps, touches, screened_to)


def published(
    decision: Decision, version: int, supersedes: bytes | None, waited_ms: int
) -> Decision:
    """Return the decision as version `version`, which replaces `supersedes`."""
    return msgspec.structs.replace(
        decision, version=version, supersedes=supersedes, waited_ms=waited_ms
    )


def named_step(conversion: Conversion, journey: Journey) -> Step | None:
    """Return the click the report names: from its token, and its notes if it has come.

    None only for a report that names a click without its claims, before that click has come.
    """
    click_id = conversion.click_id
    found = journey.named
    if click_id is None or conversion.click_partner_id is None or conversion.click_offer_id is None:
        return found
    seen = Seen(
        click_id=click_id,
        occurred_at=conversion.clicked_at or ulid_time(click_id),
        recorded_at=found.seen.recorded_at if found else Millis(0),
        log_time=Millis(0),
        offset=found.seen.offset if found else -1,
        partner_id=conversion.click_partner_id,
        offer_id=conversion.click_offer_id,
        link_id=conversion.click_link_id or 0,
        advertiser_id=found.seen.advertiser_id if found else conversion.advertiser_id,
        no_touch=found.seen.no_touch if found else None,
        tags=found.seen.tags if found else NO_TAGS,
    )
    return Step(seen, found.notes if found else ())


def listed(journey: Journey, named: Step | None) -> tuple[Step, ...]:
    """Return the touches a decision lists: the newest, and the named one, oldest first."""
    if named is None:
        return journey.steps
    others = [step for step in journey.steps if step.seen.click_id != named.seen.click_id]
    return tuple(sorted([*others[-(MAX_TOUCHES - 1) :], named], key=_by_time))


def _terms_lookup(catalog: Catalog, conversion: Conversion) -> TermsOf:
    known: dict[int, OfferTerms | str] = {}

    def terms_of(offer_id: int) -> OfferTerms | str:
        if offer_id not in known:
            known[offer_id] = find_terms(catalog, conversion, offer_id)
        return known[offer_id]

    return terms_of


def _by_token(conversion: Conversion, named: Step | None, terms: TermsOf) -> Verdict:
    """Credit the named click by its token alone; an invalid one too: assess judges its flags."""
    if named is None:
        return Verdict(reason="no_touch")
    found = terms(named.seen.offer_id)
    known = found if isinstance(found, OfferTerms) else None
    reason = named.seen.no_touch or _fault(conversion, named.seen, found)
    if reason is not None:
        return Verdict(reason=reason, terms=known)
    assert known is not None
    return Verdict(((named, Fraction(1)),), terms=known, model=choose(known.model)[0])


def _by_journey(conversion: Conversion, journey: Journey, terms: TermsOf) -> Verdict:
    """Credit eligible touches by the model of the last one's offer; invalid ones are skipped."""
    reason = "no_touch"
    eligible: list[Step] = []
    for step in journey.steps:
        fault = _ineligible(conversion, step, terms)
        if fault is None:
            eligible.append(step)
        else:
            reason = fault
    if not eligible:
        return Verdict(reason=reason)
    found = terms(eligible[-1].seen.offer_id)
    assert isinstance(found, OfferTerms)
    name, model = choose(found.model)
    shares = tuple(
        (step, share) for step, share in zip(eligible, model(eligible), strict=True) if share
    )
    return Verdict(shares, terms=found, model=name)


def _fault(conversion: Conversion, seen: Seen, terms: OfferTerms | str) -> str | None:
    if seen.advertiser_id != conversion.advertiser_id:
        return "other_advertiser"
    if isinstance(terms, str):
        return terms
    if terms.advertiser_id != conversion.advertiser_id:
        return "other_advertiser"
    return outside(seen.occurred_at, conversion.occurred_at, terms.window_s)


def _ineligible(conversion: Conversion, step: Step, terms: TermsOf) -> str | None:
    """Return why a touch that nobody named could not be credited, whatever the others are."""
    seen = step.seen
    if seen.advertiser_id != conversion.advertiser_id:
        return "other_advertiser"
    if conversion.offer_id is not None and seen.offer_id != conversion.offer_id:
        return "other_offer"
    return _fault(conversion, seen, terms(seen.offer_id)) or (
        "flagged_invalid" if step.invalid else None
    )


def _touches(
    conversion: Conversion,
    steps: Sequence[Step],
    named: Step | None,
    verdict: Verdict,
    terms: TermsOf,
) -> list[Touch]:
    """Return every touch with what became of it: one without credit has a reason (law A4)."""
    credited = {step.seen.click_id for step, _ in verdict.shares}
    last = max((_by_time(step) for step, _ in verdict.shares), default=None)

    def reason(step: Step) -> str | None:
        if step.seen.click_id in credited:
            return None
        if named is not None and step.seen.click_id == named.seen.click_id:
            return verdict.reason
        fault = _ineligible(conversion, step, terms)
        if fault is not None:
            return fault
        return "earlier_touch" if last and _by_time(step) < last else "not_the_reported_click"

    return [touch_of(step, reason(step)) for step in steps]


def _decision(
    conversion: Conversion,
    signal: CreditSignal,
    verdict: Verdict,
    steps: Sequence[Step],
    touches: list[Touch],
    screened_to: int,
) -> Decision:
    """Return the decision with its id: the hash of all that was decided (law I3)."""
    terms = verdict.terms
    content = msgspec.structs.replace(
        _undecided(conversion),
        result=Result.ATTRIBUTED if verdict.shares else Result.UNATTRIBUTED,
        reason=verdict.reason,
        offer_id=terms.offer_id if terms else conversion.offer_id,
        shares=[share_of(step, share) for step, share in verdict.shares],
        touches=touches,
        signal=signal,
        model=verdict.model,
        window_s=terms.window_s if terms else 0,
        terms_version=terms.version if terms else 0,
        screened=all(0 <= step.seen.offset < screened_to for step, _ in verdict.shares),
    )
    event_id: Id16 = derive("decision", msgspec.msgpack.encode(content))
    return msgspec.structs.replace(
        content, event_id=event_id, recorded_at=_known_at(conversion, steps)
    )


def _undecided(conversion: Conversion) -> Decision:
    """Return what a decision takes over from the report."""
    return Decision(
        event_id=_NO_ID,
        occurred_at=conversion.occurred_at,
        recorded_at=Millis(0),
        tenant_id=conversion.tenant_id,
        conversion_key=conversion.conversion_key,
        body_hash=conversion.body_hash,
        version=UNPUBLISHED,
        result=Result.UNATTRIBUTED,
        advertiser_id=conversion.advertiser_id,
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
        signal=CreditSignal.NONE,
        model=DEFAULT_MODEL,
        window_s=0,
        terms_version=0,
        screened=False,
        waited_ms=0,
    )


def _known_at(conversion: Conversion, steps: Sequence[Step]) -> Millis:
    """Return when the last input was recorded: the same however often it is decided."""
    instants = [conversion.recorded_at]
    for step in steps:
        instants.append(step.seen.recorded_at)
        instants += [note.recorded_at for note in step.notes]
    return max(instants)


def _by_time(step: Step) -> tuple[int, bytes]:
    return step.seen.occurred_at, step.seen.click_id
