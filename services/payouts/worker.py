"""Wiring of the ledger: records and the clock in, one PostgreSQL transaction a batch out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from afflux.kernel.events import Adjustment, Assessment, Event
from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.catalog_follower import CatalogFollower, CatalogSource
from afflux.runtime.codec import Codec
from afflux.runtime.loop import Loop, Record, TopicPartition
from afflux.runtime.pg import connect_async
from afflux.runtime.process import Runnable
from afflux.runtime.settings import Settings
from services.payouts.domain.accrual import World
from services.payouts.domain.facts import Source, Standing
from services.payouts.process import TOPICS, Fact, Step, StepResult, take, touched
from services.payouts.queries import ledger, steps
from services.payouts.queries.steps import Advance, Db, Owned
from services.payouts.refused import letters
from services.payouts.relay import Relay
from services.payouts.waking import Waking

STAGE = "payouts"
TRANSACTION_S = 15


class Taken(Struct, frozen=True):
    """A step that was decided and waits for its commit."""

    step: Step
    result: StepResult


class PayoutsStage:
    """Posts assessments and adjustments; its offsets live beside the ledger (law L6)."""

    name = STAGE
    topics: tuple[str, ...] = TOPICS

    def __init__(self, settings: Settings, catalogue: CatalogSource, codec: Codec) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._codec = codec
        self._world = World.of(catalogue.view)
        self._waking = Waking(settings.catalog_lead_ms)
        self._owned: dict[int, Owned] = {}
        self._taken: list[Taken] = []
        self._known: set[bytes] = set()
        self._db: Db | None = None

    async def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Take the partitions over; the epoch of each grows, an earlier owner is fenced off."""
        numbers = {part.partition for part in partitions}
        missing = {(topic, n) for topic in TOPICS for n in numbers} - set(partitions)
        if missing:
            raise RuntimeError(f"a partition of both topics needs one owner; missing: {missing}")
        if self._db is None:
            self._db = await connect_async(self._settings.postgres)
            await steps.bound(self._db, TRANSACTION_S)
            await self._catalogue.start()
        async with self._db.transaction():
            owned = await steps.own(self._db, sorted(numbers))
        self._owned = {one.partition: one for one in owned}
        self._taken = []
        self._waking.restart()
        next_offsets = {one.partition: (one.assessments, one.adjustments) for one in owned}
        return {part: next_offsets[part.partition][TOPICS.index(part.topic)] for part in partitions}

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Forget the partitions."""
        for part in partitions:
            self._owned.pop(part.partition, None)

    async def close(self) -> None:
        """Leave the database and the catalogue."""
        db, self._db = self._db, None
        if db is not None:
            await db.close()
            await self._catalogue.stop()

    async def process(self, records: Sequence[Record], now: Millis) -> Sequence[Event]:
        """Decide the steps of a batch, one a partition; returns the dead letters."""
        db, as_of = self._open(), Millis(max([now, *(o.as_of for o in self._owned.values())]))
        await self._catalogue.sync(as_of)
        facts = _facts(records)
        async with db.transaction():
            woken = await self._waking.keys(db, self._owned, as_of, self._catalogue.view.revision)
            plan = self._plan(facts, woken, as_of)
            keys = {key for step in plan for key in touched(facts.get(step.partition, []), step)}
            standings = await steps.load(db, sorted(keys)) if keys else {}
        self._known = set(standings)
        self._taken = [
            Taken(step, take(step, facts.get(step.partition, []), standings, self._world))
            for step in plan
        ]
        self._count()
        refusals = [refusal for taken in self._taken for refusal in taken.result.refusals]
        return letters(refusals, records, self._codec) if refusals else []

    async def commit(self, positions: Mapping[TopicPartition, int], now: Millis) -> None:
        """Write offsets, steps, standings, entries and balances at once, or nothing (law L6)."""
        moves = self._moves(positions)
        if not moves:
            return
        db, taken, self._taken = self._open(), self._taken, []
        async with db.transaction():
            await steps.advance(db, moves)
            await self._store(db, taken)
            transfers = [t for one in taken for t in one.result.transfers]
            await ledger.append(db, transfers, self._settings.topic_partitions)
        for move in moves:
            self._owned[move.after.partition] = move.after

    def _open(self) -> Db:
        if self._db is None:
            raise RuntimeError("the payouts stage has no partitions yet")
        return self._db

    def _plan(
        self, facts: Mapping[int, list[Fact]], woken: Mapping[int, list[bytes]], as_of: Millis
    ) -> list[Step]:
        return [
            Step(number, self._owned[number].step + 1, as_of, tuple(woken.get(number, ())))
            for number in sorted({*facts, *woken})
        ]

    def _moves(self, positions: Mapping[TopicPartition, int]) -> list[Advance]:
        plan = {taken.step.partition: taken.step for taken in self._taken}
        moves = []
        for number in sorted({*plan, *(part.partition for part in positions)}):
            was, step = self._owned[number], plan.get(number)
            offsets = [
                positions.get(TopicPartition(topic, number), before)
                for topic, before in zip(TOPICS, (was.assessments, was.adjustments), strict=True)
            ]
            after = msgspec.structs.replace(was, assessments=offsets[0], adjustments=offsets[1])
            if step is not None:
                after = msgspec.structs.replace(after, step=step.number, as_of=step.as_of)
            moves.append(Advance(was, after, step))
        return moves

    async def _store(self, db: Db, taken: Sequence[Taken]) -> None:
        new: list[tuple[int, Standing]] = []
        changed: list[Standing] = []
        refused = []
        for one in taken:
            for key, standing in one.result.standings.items():
                if key in self._known:
                    changed.append(standing)
                else:
                    new.append((one.step.partition, standing))
            for r in one.result.refusals:
                where = (r.source.topic, r.source.partition, r.source.offset)
                key = r.event.conversion_key
                refused.append((*where, key, r.reason, r.detail, one.step.as_of))
        if new:
            await steps.store(db, new)
        if changed:
            await steps.update(db, changed)
        if refused:
            await steps.refuse(db, refused)

    def _count(self) -> None:
        for one in self._taken:
            for reason, count in one.result.dropped.items():
                metrics.DROPPED.labels(STAGE, reason).inc(count)
            for refusal in one.result.refusals:
                topic = refusal.source.topic
                metrics.DEAD_LETTERS.labels(STAGE, topic, refusal.reason).inc()


def _facts(records: Sequence[Record]) -> dict[int, list[Fact]]:
    facts: dict[int, list[Fact]] = defaultdict(list)
    for record in records:
        event = record.event
        assert isinstance(event, Assessment | Adjustment)
        source = Source(record.topic, record.partition, record.offset)
        facts[record.partition].append(Fact(source, event))
    return facts


def build(settings: Settings) -> Sequence[Runnable]:
    """Return the parts of the payouts worker: the ledger's loop and the relay of its outbox."""
    codec = Codec.load()
    stage = PayoutsStage(settings, CatalogFollower(settings, codec), codec)
    return [Loop(settings, stage, codec), Relay(settings, codec)]
