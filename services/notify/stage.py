"""The notify stage: assessments and ledger entries in, stories and deliveries out.

Stories and next offsets are written in one transaction; so are deliveries and that they were told.
A record that comes again finds itself counted in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from afflux.kernel.events import Assessment, Event, LedgerEntry
from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.catalog_follower import CatalogSource
from afflux.runtime.loop import Record, TopicPartition
from afflux.runtime.pg import connect_async
from afflux.runtime.settings import Settings
from services.notify.domain.entitled import ever_asked
from services.notify.domain.telling import tell
from services.notify.process import TOPICS, concerned, folded, requests
from services.notify.queries import stories
from services.notify.queries.stories import Db

STAGE = "notify"
TRANSACTION_S = 15
LOOK_EVERY_MS = 500
AT_ONCE = 500


class Owned(Struct, frozen=True):
    """A partition of ours: the epoch, and the next offset as it is written."""

    epoch: int
    next: int


class NotifyStage:
    """Keeps the stories of partners that have postbacks, and tells them; see the module."""

    name = STAGE
    topics: tuple[str, ...] = TOPICS

    def __init__(
        self,
        settings: Settings,
        catalogue: CatalogSource,
        made: Callable[[], None],
        look_every_ms: int = LOOK_EVERY_MS,
    ) -> None:
        """`made` is called when deliveries were made; `look_every_ms`: how often it looks whether
        there is something to tell."""
        self._settings = settings
        self._catalogue = catalogue
        self._made = made
        self._look_every_ms = look_every_ms
        self._owned: dict[TopicPartition, Owned] = {}
        self._records: Sequence[Record] = ()
        self._look_at = Millis(0)
        self._db: Db | None = None

    async def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Take the partitions over; the epoch of each grows, an earlier owner is fenced off."""
        if self._db is None:
            self._db = await connect_async(self._settings.postgres)
            await stories.bound(self._db, TRANSACTION_S)
            await self._catalogue.start()
        async with self._db.transaction():
            owned = await stories.own(self._db, [(p.topic, p.partition) for p in partitions])
        for part in partitions:
            self._owned[part] = Owned(*owned[part.topic, part.partition])
        return {part: self._owned[part].next for part in partitions}

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Forget the partitions."""
        for part in partitions:
            self._owned.pop(part, None)

    async def close(self) -> None:
        """Leave the database and the catalogue."""
        db, self._db = self._db, None
        if db is not None:
            await db.close()
            await self._catalogue.stop()

    async def process(self, records: Sequence[Record], now: Millis) -> Sequence[Event]:
        """Take note of a batch; all is decided where it is written. Nothing is published."""
        self._records = records
        return []

    async def commit(self, positions: Mapping[TopicPartition, int], now: Millis) -> None:
        """Write stories and offsets at once; then tell what is due."""
        if self._db is None:
            return
        if positions:
            await self._take(self._db, positions, now)
        if now >= self._look_at:
            told = await self._tell(self._db, now)
            self._look_at = Millis(now + (0 if told == AT_ONCE else self._look_every_ms))

    async def _take(self, db: Db, positions: Mapping[TopicPartition, int], now: Millis) -> None:
        records, self._records = self._records, ()
        if records:
            await self._catalogue.sync(now)
        moves = [
            (part.topic, part.partition, self._owned[part].epoch, self._owned[part].next, after)
            for part, after in sorted(positions.items())
        ]
        events = [r.event for r in records if isinstance(r.event, Assessment | LedgerEntry)]
        async with db.transaction():
            await stories.advance(db, moves)
            await self._fold(db, events, now)
        for part, after in positions.items():
            self._owned[part] = Owned(self._owned[part].epoch, after)

    async def _fold(self, db: Db, events: Sequence[Assessment | LedgerEntry], now: Millis) -> None:
        wanted = concerned(events)
        keys = sorted(
            {key for key, _ in wanted} | {e.conversion_key for e in events if e.conversion_key}
        )
        if not keys:
            return
        have, view = await stories.known(db, keys), self._catalogue.view
        new = [one for one in wanted if one not in have and ever_asked(view, one[1])]
        metrics.DROPPED.labels(STAGE, "no_postbacks").inc(
            sum(one not in have for one in wanted) - len(new)
        )
        if not have and not new:
            return
        before = await stories.lock(db, keys, new, now)
        after = folded(before, events)
        if after:
            due_at = Millis(now + self._settings.notify_settle_ms)
            await stories.save(db, after, now, due_at)

    async def _tell(self, db: Db, now: Millis) -> int:
        async with db.transaction():
            if not await stories.any_due(db, now):
                return 0
        await self._catalogue.sync(now)
        async with db.transaction():
            due = await stories.due(db, now, AT_ONCE)
            give_up_at = Millis(now + 1000 * self._settings.notify_give_up_s)
            told = []
            for story in due:
                after, tellings = tell(story)
                told.append(after)
                made = requests(self._catalogue.view, after, tellings, now)
                await stories.add(db, made, now, give_up_at)
            await stories.save(db, told, now, None)
        self._made()
        return len(due)
