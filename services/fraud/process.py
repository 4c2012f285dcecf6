"""One event in, an Outcome out: what to do with a click, and with a decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from afflux.kernel.catalog import Catalog, Offer
from afflux.kernel.events import Click, ClickCount, ClickFlag, Decision, FlagAction
from afflux.kernel.ids import derive
from afflux.kernel.outcome import Drop, Emit, Outcome
from afflux.kernel.types import Millis
from services.fraud.domain.assessing import assess
from services.fraud.domain.counting import Tally
from services.fraud.domain.repeats import Recent, remember
from services.fraud.domain.screening import JUDGED, flag, signals


class Memory:
    """What the screen knows of the clicks before, of one partition, while it judges a batch.

    `seen` are the ids judged before (of those that the batch asks about), `recent` the clicks by
    visitor and link; `fresh` and `touched` say what the batch adds to them.
    """

    def __init__(self, seen: set[bytes], recent: dict[bytes, Recent]) -> None:
        self.seen = seen
        self.recent = recent
        self.fresh: list[bytes] = []
        self.touched: set[bytes] = set()

    def add(self, click: Click) -> None:
        """Take one judged click."""
        pair = pair_key(click)
        self.seen.add(click.click_id)
        self.fresh.append(click.click_id)
        self.recent[pair] = remember(self.recent.get(pair, ()), click.occurred_at, click.click_id)
        self.touched.add(pair)


def pair_key(click: Click) -> bytes:
    """Return what identifies a visitor on a link: 16 + 8 bytes."""
    return click.visitor_key + click.link_id.to_bytes(8, "big", signed=True)


def process_click(
    click: Click, partition: int, offset: int, memory: Memory, tally: Tally, catalog: Catalog
) -> Outcome:
    """Judge one click, remember and count it.

    A click id that was judged before is a repeat of the record: it changes nothing.
    """
    if click.outcome not in JUDGED:
        return Drop("not_followed")
    if click.click_id in memory.seen:
        return Drop("redelivered")
    offer = catalog.find(Offer, click.offer_id, click.occurred_at, click.recorded_at)
    found = signals(click, memory.recent.get(pair_key(click), ()), offer)
    memory.add(click)
    tally.add(click, found)
    return Emit((flag(click, found, partition, offset),)) if found else Drop("valid")


class Screening(Struct, frozen=True):
    """What was found in one range of offsets: flags in the log's order, counts, drops by reason."""

    flags: list[ClickFlag]
    counts: list[ClickCount]
    dropped: Counter[str]


def screen(
    clicks: Iterable[tuple[int, Click]],
    partition: int,
    bounds: tuple[int, int],
    memory: Memory,
    catalog: Catalog,
) -> Screening:
    """Judge the clicks of one range of offsets, (offset, click) in the log's order.

    `bounds` are the first offset to count and the one behind the last; clicks before the first
    are judged and remembered, and were counted by an owner before.
    """
    tally = Tally()
    flags: list[ClickFlag] = []
    dropped: Counter[str] = Counter()
    for offset, click in clicks:
        counted = tally if offset >= bounds[0] else Tally()
        match process_click(click, partition, offset, memory, counted, catalog):
            case Emit(events):
                flags.extend(event for event in events if isinstance(event, ClickFlag))
            case Drop(reason):
                dropped[reason] += 1
            case _:
                raise AssertionError("a click is flagged or dropped")
    return Screening(flags, tally.counts(partition, *bounds), dropped)


def watermark(partition: int, offset: int, recorded_at: Millis, tenant_id: int) -> ClickFlag:
    """Return the record that says: all clicks of `partition` below `offset` are judged."""
    return ClickFlag(
        event_id=derive("screened", tenant_id, partition, offset),
        occurred_at=recorded_at,
        recorded_at=recorded_at,
        tenant_id=tenant_id,
        action=FlagAction.SCREENED,
        source_partition=partition,
        source_offset=offset,
    )


def process_decision(decision: Decision, catalog: Catalog) -> Outcome:
    """Assess one decision with the offers as they were at it, as known then."""

    def offer_of(offer_id: int) -> Offer | None:
        return catalog.find(Offer, offer_id, decision.occurred_at, decision.recorded_at)

    return Emit((assess(decision, offer_of),))
