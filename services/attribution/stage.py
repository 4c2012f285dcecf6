"""Attribution as a stage of the consumer loop: one store and one process a partition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import (
    Click,
    ClickFlag,
    Conversion,
    CreditSignal,
    CustomerBound,
    Event,
    Impression,
    Redecision,
)
from afflux.kernel.outcome import DeadLetter, Drop, Emit, Outcome, Park
from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.columns import Columns
from afflux.runtime.deadletters import dead_letter
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from afflux.runtime.restoring import marking_damage
from services.attribution.domain.erasing import Ends as LogEnds
from services.attribution.domain.knowing import knowledge
from services.attribution.domain.parking import signal_of
from services.attribution.domain.shadow import TrialRuns
from services.attribution.opening import Opener
from services.attribution.process import Arrival, Fact, Policy, Process, TouchEnds
from services.attribution.trials import beside
from services.attribution.upkeep import Upkeep

Ends = Callable[[], Awaitable[Mapping[int, TouchEnds]]]
"""Fetches the ends of every partition of the clicks and the impressions, as of the call."""


class Offers(Protocol):
    """Where offers are looked up; `sync` makes every change recorded by `known_at` visible."""

    @property
    def view(self) -> Catalog: ...

    async def sync(self, known_at: Millis) -> Millis: ...


class Erasures(Protocol):
    """Where erasures are looked up; `sync` makes those known that hold at `known_at`."""

    @property
    def view(self) -> Mapping[bytes, Millis]: ...

    async def sync(self, known_at: Millis) -> None: ...

    async def look(self, now: Millis) -> None: ...

    async def ends(self) -> Mapping[int, LogEnds]: ...


class AttributionStage:
    """Decides conversions; state in `folder`/PARTITION."""

    name = "attribution"
    topics: tuple[str, ...] = (
        Click.topic,
        ClickFlag.topic,
        Conversion.topic,
        CustomerBound.topic,
        Redecision.topic,
        Impression.topic,
    )
    column_topics: tuple[str, ...] = (Click.topic, Impression.topic)

    def __init__(
        self,
        folder: Path,
        offers: Offers,
        ends: Ends,
        policy: Policy,
        erasures: Erasures | None = None,
        upkeep: Upkeep | None = None,
    ) -> None:
        """State in `folder`/PARTITION; without `upkeep` no checkpoints are made."""
        self._upkeep = upkeep or Upkeep(Opener(folder, folder / "checkpoints", policy.grace_ms))
        self._offers = offers
        self._ends = ends
        self._policy = policy
        self._erasures = erasures
        self._parts: dict[int, Process] = {}
        self._trials = TrialRuns(offers.view)
        self._columns: list[Columns] = []

    @property
    def parked(self) -> int:
        """Conversions that wait for their first decision."""
        parts = self._parts.values()
        return sum(part.state.parked + part.customers.waiting for part in parts)

    @property
    def erasing(self) -> int:
        """Erasures whose visitor's state is still there, over all partitions."""
        return sum(len(part.erasing) for part in self._parts.values())

    async def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Open the stores, begin an owner epoch where needed, return the stores' offsets."""
        fresh = sorted({part.partition for part in partitions} - set(self._parts))
        for number, state in (await self._upkeep.open(fresh)).items():
            erased = None if self._erasures is None else self._erasures.view
            with marking_damage():
                self._parts[number] = Process(state, self._offers.view, self._policy, erased)
        return {part: self._parts[part.partition].state.offsets[part.topic] for part in partitions}

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Close the stores; the assignor moves all topics of a partition together."""
        for number in sorted({part.partition for part in partitions}):
            process = self._parts.pop(number, None)
            if process is not None:
                self._upkeep.closed(number)
                process.state.release()

    def take_columns(self, columns: Columns) -> None:
        """Keep clicks or impressions for the next `process`."""
        self._columns.append(columns)

    async def process(self, records: Sequence[Record], now: Millis) -> Sequence[Event]:
        """Take a batch, then decide what it and the clocks have made ready."""
        columns, self._columns = self._columns, []
        await self._know_erasures(records, columns, now)
        reports = [record.event for record in records if isinstance(record.event, Conversion)]
        asked = [knowledge(record.event) for record in records]
        asked += [newest(batch) for batch in columns if batch.topic == Impression.topic]
        if any(asked):
            await self._offers.sync(max(asked))
        ends = await self._touch_ends(reports)
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        outputs: list[Event] = []
        with marking_damage():
            self._take_all(columns)
            for number, process in sorted(self._parts.items()):
                part_ends = ends.get(number, TouchEnds())
                outputs += self._one(process, by_partition[number], part_ends, now)
        metrics.PARKED.labels(self.name).set(self.parked)
        metrics.ERASURES_PENDING.labels(self.name).set(self.erasing)
        return [*outputs, *beside(self.name, self._trials, outputs)]

    async def commit(self, positions: Mapping[TopicPartition, int], now: Millis) -> None:
        """Write each partition's changes with its next offsets, one atomic batch a partition."""
        with marking_damage():
            for number, process in self._parts.items():
                process.state.commit(
                    {part.topic: at for part, at in positions.items() if part.partition == number}
                )
                metrics.EXPIRED_BUCKETS.inc(process.state.expire())
        await self._upkeep.look()

    def _take_all(self, columns: Sequence[Columns]) -> None:
        for batch in columns:
            process = self._parts[batch.partition]
            process.begin()
            erased = process.intake.columns(batch)
            metrics.DROPPED.labels(self.name, "visitor_erased").inc(erased)

    async def _know_erasures(
        self, records: Sequence[Record], columns: Sequence[Columns], now: Millis
    ) -> None:
        """Know every erasure that holds for these records, before they are taken (law A2)."""
        if self._erasures is None:
            return
        instants = [record.event.recorded_at for record in records]
        instants += [newest(batch) for batch in columns]
        if instants:
            await self._erasures.sync(max(instants))
        else:
            await self._erasures.look(now)
        if any(process.waits_for_ends(now) for process in self._parts.values()):
            for number, ends in (await self._erasures.ends()).items():
                if number in self._parts:
                    self._parts[number].wait_for(ends, now)

    async def _touch_ends(self, reports: Sequence[Conversion]) -> Mapping[int, TouchEnds]:
        if any(signal_of(report) is CreditSignal.JOURNEY for report in reports):
            return await self._ends()
        return {}

    def _one(
        self, process: Process, records: Sequence[Record], ends: TouchEnds, now: Millis
    ) -> list[Event]:
        arrivals = [
            Arrival(record.offset, record.event)
            for record in records
            if isinstance(record.event, Fact)
        ]
        outputs: list[Event] = []
        counted = process.counts
        taken = process.take(arrivals, ends, now)
        for record, outcome in zip(records, taken, strict=True):
            outputs += self._act(record, outcome)
        before = process.cut_journeys
        for outcome in process.settle(now):
            outputs += self._act(None, outcome)
        metrics.CUT_JOURNEYS.inc(process.cut_journeys - before)
        _count(counted, process.counts)
        return outputs

    def _act(self, record: Record | None, outcome: Outcome) -> Sequence[Event]:
        match outcome:
            case Emit(events):
                return events
            case Drop(reason):
                metrics.DROPPED.labels(self.name, reason).inc()
            case DeadLetter(reason, detail) if record is not None:
                metrics.DEAD_LETTERS.labels(self.name, record.topic, reason).inc()
                return (dead_letter(record, self.name, reason, detail),)
            case Park() | _:
                pass
        return ()


def newest(batch: Columns) -> Millis:
    """Return when the last of a batch was recorded."""
    return Millis(int(batch.frame.get_column("recorded_at").to_numpy().max()))


def _count(before: tuple[int, int, int], after: tuple[int, int, int]) -> None:
    counters = metrics.CUSTOMER_REQUESTS, metrics.CUSTOMER_BOOKS, metrics.CUSTOMER_REVISIONS
    for counter, was, now in zip(counters, before, after, strict=True):
        counter.inc(now - was)
