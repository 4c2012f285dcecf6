"""From the journal to Kafka: at least once, in order, resumed exactly where it stopped (law T2).

While two loads are on their way to Kafka the next one is read and encoded, in a thread. They keep
their order in each partition, and the checkpoint moves behind a load once it and all before it are
acked.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from afflux.runtime import metrics
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Line, Parcel, TopicPartition
from afflux.runtime.waiting import pause
from services.tracking.checkpoint import Checkpoint, load, save
from services.tracking.domain.agents import Classifier
from services.tracking.domain.entries import TOPICS
from services.tracking.journal import JournalDamaged, JournalReader
from services.tracking.journal.place import Place, bytes_behind, first_record_at, place_after
from services.tracking.journal.segment import JournalOutdated
from services.tracking.landed import first_checkpoint, landed, name
from services.tracking.packing import Packed, Packer

log = get_logger(__name__)
_READ_BYTES = 3 << 19
"""Of four partitions each gets one batch then, near to the largest there may be."""
_FLYING = 2
"""Loads on their way at once: Kafka writes one while the next is on the wire."""
_IDLE_S = 0.02
_RETRY_S = 0.5
_DAMAGED_S = 2.0
STALLED_AFTER_S = 30.0
_RECORD_BYTES = 300
"""A typical record, to tell bytes of lag as records."""


class Load(Struct):
    """What was read and packed at once: up to `last`, a position, or None for nothing. Once all of
    it is acked, everything before `place` is, and the segments in `finished` can go."""

    packed: Packed
    last: int | None
    place: Place | None
    finished: list[Path]


class Flight(Struct):
    """A load on its way, and the ends of the partitions once it is acked."""

    load: Load
    parcels: dict[TopicPartition, list[Parcel]]
    acks: asyncio.Task[dict[TopicPartition, int]]


class Shipper:
    """Ships the journal of one edge."""

    name = "shipper"

    def __init__(self, settings: Settings, codec: Codec, classifier: Classifier) -> None:
        self._settings = settings
        self._codec = codec
        self._packer = Packer(settings, codec, classifier)
        self._folder = settings.journal
        self._reader = JournalReader(self._folder)
        self._checkpoint = Checkpoint()
        self._resumed = False
        self._landed: dict[TopicPartition, int] = {}
        self._moved_at = time.monotonic()
        self._acked: Place | None = None
        self._connected = False
        self._damage: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until `stop`; while Kafka is away, try again for ever and let the journal grow.

        Damage stops the shipping, not the process: nothing behind it is shipped before a person
        has looked (`afflux journal inspect`, `repair`), then it goes on by itself.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        metrics.JOURNAL_UNSHIPPED_BYTES.set_function(self._unshipped_bytes)
        metrics.JOURNAL_OLDEST_SECONDS.set_function(self._oldest_s)
        while not stop.is_set():
            line = Line(self._settings, list(TOPICS.values()))
            try:
                await self._find_place()
                await self._session(line, stop)
            except KAFKA_TROUBLE as error:
                log.warning("shipping_interrupted", error=repr(error))
                metrics.PUBLISH_RETRIES.labels(self.name).inc()
                await pause(stop, _RETRY_S)
            except (JournalDamaged, JournalOutdated) as error:
                self._damaged(str(error))
                await pause(stop, _DAMAGED_S)
            finally:
                self._connected = False
                self._reader.close()
                await line.stop()

    def status(self) -> dict[str, object]:
        """Return how much is left; unhealthy when nothing moves for 30 s although there is some.

        `lag` is an estimate in records, but 0 only if nothing is left.
        """
        left = self._unshipped_bytes()
        now = time.monotonic()
        if left == 0:
            self._moved_at = now
        return {
            "healthy": self._damage is None
            and (left == 0 or now - self._moved_at <= STALLED_AFTER_S),
            "lag": -(-left // _RECORD_BYTES),
            "lag_bytes": left,
            "oldest_unshipped_s": self._oldest_s(),
            "shipped_position": self._checkpoint.position,
            "connected": self._connected,
            **({} if self._damage is None else {"damage": self._damage}),
        }

    def _unshipped_bytes(self) -> int:
        return bytes_behind(self._folder, self._acked)

    def _oldest_s(self) -> float:
        at = first_record_at(self._folder, self._acked)
        return 0.0 if at is None else max(0.0, (now_ms() - at) / 1_000)

    async def _find_place(self) -> None:
        """Learn, before Kafka answers, what was acked in an earlier life."""
        if self._acked is None:
            known = load(self._folder) or Checkpoint()
            self._acked = await asyncio.to_thread(place_after, self._folder, known.position)

    async def _session(self, line: Line, stop: asyncio.Event) -> None:
        await line.start()
        await self._resume(line)
        self._connected = True
        flying: deque[Flight] = deque()
        ahead = self._ahead(line)
        try:
            while not stop.is_set():
                try:
                    load = await ahead
                except (JournalDamaged, JournalOutdated):
                    await self._land(flying, 0)
                    raise
                if load.last is None:
                    await self._land(flying, 0)
                    self._passed(load)
                    await pause(stop, _IDLE_S)
                    ahead = self._ahead(line)
                else:
                    ahead = self._ahead(line)
                    flying.append(self._launch(line, load))
                    await self._land(flying, _FLYING - 1)
            await self._land(flying, 0)
        finally:
            await _give_up(flying)  # what is not acked now will be read again
            with suppress(Exception):
                await ahead

    def _ahead(self, line: Line) -> asyncio.Task[Load]:
        return asyncio.create_task(asyncio.to_thread(self._load, line))

    def _load(self, line: Line) -> Load:
        """Read and pack the next records. Blocking; the only user of the reader meanwhile."""
        records = self._reader.read(_READ_BYTES)
        known = self._checkpoint.position
        if records and records[0].position <= known:
            records = [record for record in records if record.position > known]
        last = records[-1].position if records else None
        packed = self._packer.pack(records)
        return Load(packed, last, self._reader.place(), self._reader.finished())

    async def _resume(self, line: Line) -> None:
        """Find out, per partition, which of our records are in Kafka already."""
        self._reader = JournalReader(self._folder)
        if not self._resumed:  # later this process knows more than the file, if the disk is full
            self._checkpoint = load(self._folder) or await first_checkpoint(
                self._settings, self._packer, line.partitions
            )
            self._save()
            self._resumed = True
        known = self._checkpoint
        self._landed = await landed(self._settings, self._codec, known, line.partitions)
        log.info(
            "shipping_resumed",
            after=known.position,
            landed={name(part): position for part, position in self._landed.items()},
        )

    def _launch(self, line: Line, load: Load) -> Flight:
        parcels = self._parcels(line, load.packed)
        return Flight(load, parcels, asyncio.create_task(line.send(parcels)))

    async def _land(self, flying: deque[Flight], left: int) -> None:
        """Wait for the oldest flights until at most `left` are; move the checkpoint behind each."""
        while len(flying) > left:
            flight = flying[0]
            offsets = await flight.acks
            flying.popleft()
            assert flight.load.last is not None
            for part, batch in flight.parcels.items():
                metrics.SHIPPED.labels(part.topic).inc(len(batch))
            self._checkpoint.position = flight.load.last
            self._checkpoint.offsets.update({name(part): end for part, end in offsets.items()})
            self._save()
            self._moved_at = time.monotonic()
            self._passed(flight.load)

    def _passed(self, load: Load) -> None:
        """Everything up to the end of a load is in Kafka."""
        self._acked = load.place
        if load.last is not None or self._unshipped_bytes() == 0:
            self._damage = None  # we are past it
        for path in load.finished:
            path.unlink(missing_ok=True)
            log.info("segment_shipped", segment=path.name)

    def _parcels(self, line: Line, packed: Packed) -> dict[TopicPartition, list[Parcel]]:
        """Sort what is not in Kafka yet by partition."""
        parcels: dict[TopicPartition, list[Parcel]] = {}
        for topic, (positions, records) in packed.items():
            skipped = 0
            parts = [part for part in line.partitions if part.topic == topic]
            boxes: dict[int, tuple[int, list[Parcel]]] = {
                part.partition: (self._landed.get(part, -1), []) for part in parts
            }
            numbers = line.choose(topic, [parcel.key for parcel in records])
            for number, position, parcel in zip(numbers, positions, records, strict=True):
                landed, box = boxes[number]
                if position > landed:
                    box.append(parcel)
                else:
                    skipped += 1
            parcels |= {part: box for part in parts if (box := boxes[part.partition][1])}
            if skipped:
                metrics.SHIP_SKIPPED.labels(topic).inc(skipped)
        return parcels

    def _save(self) -> None:
        if not save(self._folder, self._checkpoint):
            log.warning("checkpoint_not_saved", position=self._checkpoint.position)

    def _damaged(self, message: str) -> None:
        if message != self._damage:
            log.error("journal_damaged", error=message, way_out="afflux journal inspect, repair")
        self._damage = message


async def _give_up(flying: deque[Flight]) -> None:
    for flight in flying:
        flight.acks.cancel()
    await asyncio.gather(*(flight.acks for flight in flying), return_exceptions=True)
