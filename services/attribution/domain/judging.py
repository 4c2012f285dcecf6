"""Which touches of a journey may be credited, and why the others may not (law A4)."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from msgspec import Struct

from afflux.kernel.events import Conversion
from afflux.kernel.ids import ulid_time
from afflux.kernel.types import Millis
from services.attribution.domain.journey import (
    MAX_TOUCHES,
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
        if step is named:
            fault = void = _fault_of_named(conversion, step, lookup)
        else:
            fault = _fault(conversion, step, lookup)
        faults.append(fault)
        if fault is None and not ended:
            (clicks if step.seen.kind == CLICK else views).append(step)
        ended = ended or step is named
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
    """Return the touches a decision lists: the newest, and the named one, oldest first."""
    if named is None:
        return journey.steps
    click_id = named.seen.click_id
    others = [step for step in journey.steps if step.seen.click_id != click_id]
    steps = others[-(MAX_TOUCHES - 1) :]
    insort(steps, named, key=by_time)
    return steps


def _fault_of_named(conversion: Conversion, step: Step, lookup: Lookup) -> str | None:
    """The named click may be credited by its token alone; an invalid one too: assess judges it."""
    return step.seen.no_touch or _beyond_terms(conversion, step.seen, lookup)


def _fault(conversion: Conversion, step: Step, lookup: Lookup) -> str | None:
    """Return why a touch that nobody named could not be credited, whatever the others are."""
    seen = step.seen
    if seen.advertiser_id != conversion.advertiser_id:
        return "other_advertiser"
    if conversion.offer_id is not None and seen.offer_id != conversion.offer_id:
        return "other_offer"
    fault = _beyond_terms(conversion, seen, lookup)
    return "flagged_invalid" if fault is None and step.invalid else fault


def _beyond_terms(conversion: Conversion, seen: Seen, lookup: Lookup) -> str | None:
    if seen.advertiser_id != conversion.advertiser_id:
        return "other_advertiser"
    terms = lookup.terms(seen.offer_id)
    if isinstance(terms, str):
        return terms
    if terms.advertiser_id != conversion.advertiser_id:
        return "other_advertiser"
    window_s = terms.window_s(seen.partner_id, seen.kind)
    return outside(seen.occurred_at, conversion.occurred_at, seen.kind, window_s)
