"""Which touches of a journey may be credited, and why the others may not (law A4)."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from msgspec import Struct

from afflux.kernel.events import Conversion
from afflux.kernel.ids import ulid_time
from afflux.kernel.types import Millis
from services.attribution.domain.journey import (
    NO_TAGS,
    Journey,
    Seen,
    Step,
    by_time,
)
from services.attribution.domain.lookup import Lookup
from services.attribution.domain.window import CLICK, outside


class Judged(Struct, frozen=True):
    """The touches a decision lists, oldest first, and why each can earn nothing, None: it may.

    `named` is the click that the report names; it is among `steps`, and `void` is its fault.
    `path` is what a model sees: the clicks that may be credited, or, only if there are none, the
    views. It ends with the named click.
    """

    steps: Sequence[Step]
    faults: Sequence[str | None]
    path: Sequence[Step]
    named: Step | None = None
    void: str | None = None


def judge(conversion: Conversion, journey: Journey, lookup: Lookup) -> Judged:
    """Judge every touch that a decision about this conversion lists."""
    named = None if conversion.click_id is None else named_step(conversion, journey)
    steps = listed(journey, named)
    faults: list[str | None] = []
    clicks: list[Step] = []
    views: list[Step] = []
    void, ended = None, False
    for step in steps:
        fault = _fault(conversion, step, lookup, step is named)
        faults.append(fault)
        if fault is None and not ended:
            (clicks if step.seen.kind == CLICK else views).append(step)
        if step is named:
            void, ended = fault, True
    return Judged(steps, faults, clicks or views, named, void)


def named_step(conversion: Conversion, journey: Journey) -> Step | None:
    """Return the click the report names: from its token, and its notes if it has come.

    None only for a report that names a click without its claims, before that click has come.
    """
    click_id, found = conversion.click_id, journey.named
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


def listed(journey: Journey, named: Step | None) -> Sequence[Step]:
    """Return the touches a decision lists: those it sees, and the named one, oldest first."""
    if named is None:
        return journey.steps
    click_id = named.seen.click_id
    others = [step for step in journey.steps if step.seen.click_id != click_id]
    insort(others, named, key=by_time)
    return others


def _fault(conversion: Conversion, step: Step, lookup: Lookup, named: bool) -> str | None:
    """Return why a touch could not be credited, whatever the others are.

    The named click may be by its token alone; an invalid one too: assess judges its flags.
    """
    seen = step.seen
    if named and seen.no_touch:
        return seen.no_touch
    if seen.advertiser_id != conversion.advertiser_id:
        return "other_advertiser"
    if not named and conversion.offer_id is not None and seen.offer_id != conversion.offer_id:
        return "other_offer"
    terms = lookup.terms(seen.offer_id)
    if isinstance(terms, str):
        return terms
    if terms.advertiser_id != conversion.advertiser_id:
        return "other_advertiser"
    window_s = terms.window_s(seen.partner_id, seen.kind)
    fault = outside(conversion.occurred_at - seen.occurred_at, seen.kind, window_s)
    return "flagged_invalid" if fault is None and not named and step.invalid else fault
