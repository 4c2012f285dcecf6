"""The state of one partition: journeys, notes, conversions that can still change, progress.

Everything is written through an overlay, so that a batch reads its own writes, and committed with
the next offsets in one atomic batch. What is held in memory (visitors with open conversions, who
waits for what) is derived from the store when it is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

import msgspec

from afflux.kernel.events import (
    Click,
    ClickFlag,
    Conversion,
    CustomerBound,
    Impression,
    Redecision,
)
from afflux.kernel.types import Millis
from services.attribution import last_rows, rows
from services.attribution.domain.journey import Journey
from services.attribution.domain.parking import Progress, visitor_of
from services.attribution.due import Dues
from services.attribution.journeys import Journeys, Look
from services.attribution.overlay import Overlay
from services.attribution.rows import Open
from services.attribution.table import Table

CLICKS, FLAGS, CONVERSIONS = Click.topic, ClickFlag.topic, Conversion.topic
CUSTOMERS, REDECISIONS = CustomerBound.topic, Redecision.topic
IMPRESSIONS = Impression.topic
HOUR_MS = 3_600_000


class State:
    """One partition's state over a table; one owner at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows = Overlay(table)
        self.meta = rows.unpack_meta(self._rows.get(rows.META))
        self.journeys = Journeys(table, self._rows)
        self._visitors: dict[bytes, int] = {}
        self._by_horizon: list[tuple[int, bytes, bytes]] = []
        self._by_views: list[tuple[int, bytes, bytes]] = []
        self._by_deadline: list[tuple[Millis, bytes, bytes]] = []
        self._parked: set[bytes] = set()
        self._expire_from = Millis(0)
        self._dues = Dues(self._rows, rows.DUE)
        self._views_dues = Dues(self._rows, rows.VIEWS_DUE)

    def take_ownership(self) -> None:
        """Begin a new owner epoch if the last owner may have published what it did not commit.

        Written at once: two owners that crash one after the other never share an epoch.
        """
        if not self.meta.clean or self.meta.epoch == 0:
            self.meta = msgspec.structs.replace(self.meta, epoch=self.meta.epoch + 1)
        self.meta = msgspec.structs.replace(self.meta, clean=False)
        self._write_meta()

    def restore(self, wait_ms: int) -> None:
        """Read from the store who is open and who waits for what."""
        for _, row in list(self._rows.above(b"c")):
            opened = rows.unpack_open(row)
            visitor = visitor_of(opened.conversion)
            if visitor is not None:
                self._visitors[visitor] = self._visitors.get(visitor, 0) + 1
                self._wake(visitor, opened, wait_ms)

    @property
    def progress(self) -> Progress:
        """How far the inputs are known, with what this batch has read."""
        return self.meta.progress

    @progress.setter
    def progress(self, value: Progress) -> None:
        self.meta = msgspec.structs.replace(self.meta, progress=value)

    def conversion_read(self, recorded_at: Millis, keep_ms: int) -> Millis:
        """Move the log time of the conversions partition on, and return it; touches logged more
        than `keep_ms` before it count for no later report."""
        log_time = max(self.meta.conversions_log, recorded_at)
        cut = max(self.meta.cut, Millis(log_time - keep_ms))
        self.meta = msgspec.structs.replace(self.meta, conversions_log=log_time, cut=cut)
        return log_time

    @property
    def offsets(self) -> Mapping[str, int]:
        """Next offsets by topic."""
        return {
            CLICKS: self.meta.progress.clicks_next,
            FLAGS: self.meta.flags_next,
            CONVERSIONS: self.meta.conversions_next,
            CUSTOMERS: self.meta.customers_next,
            REDECISIONS: self.meta.redecisions_next,
            IMPRESSIONS: self.meta.progress.views_next,
        }

    @property
    def rows(self) -> Overlay:
        """The rows themselves, for customers' books: they are committed with everything else."""
        return self._rows

    @property
    def parked(self) -> int:
        """How many conversions wait for their first decision."""
        return len(self._parked)

    def journey(self, opened: Open, until: Millis) -> Journey:
        """Return what a conversion may look at; its grace ends at log time `until`."""
        conversion = opened.conversion
        visitor = visitor_of(conversion)
        if visitor is None:
            return Journey()
        look = Look(
            conversion.occurred_at, conversion.advertiser_id, opened.since, until, opened.views
        )
        steps, omitted = self.journeys.steps(visitor, look)
        click_id = conversion.click_id
        if click_id is None:
            return Journey(steps, None, omitted)
        among = (step for step in reversed(steps) if step.seen.click_id == click_id)
        named = next(among, None) or self.journeys.named(visitor, click_id, look)
        if named is not None and named.seen.log_time > opened.named_until:
            named = None
        return Journey(steps, named, omitted)

    # conversions

    def known(self, conversion_keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the body hashes of the first reports under these keys."""
        found = self._rows.multi_get([rows.known_key(key) for key in conversion_keys])
        return [None if row is None else row[: last_rows.HASH] for row in found]

    def remember(self, conversion: Conversion) -> None:
        """Keep for ever which report came first under a key."""
        self._rows.put(rows.known_key(conversion.conversion_key), conversion.body_hash)

    def add_open(self, visitor: bytes, opened: Open, due: Millis) -> None:
        """Count in a conversion that can still change; its grace ends at log time `due`."""
        self._visitors[visitor] = self._visitors.get(visitor, 0) + 1
        self.await_due(visitor, opened, due)

    def await_due(self, visitor: bytes, opened: Open, due: Millis) -> None:
        """Look at an open conversion once log time has passed `due`."""
        self._queue(opened).add(due, opened.conversion.conversion_key, visitor)

    def set_open(self, visitor: bytes, opened: Open, wait_ms: int) -> None:
        """Keep an open conversion, and look at it again when what it waits for has come."""
        key = opened.conversion.conversion_key
        self._rows.put(rows.open_key(visitor, key), rows.encode(opened))
        self._wake(visitor, opened, wait_ms)

    def close_open(self, visitor: bytes, conversion_key: bytes) -> None:
        """Forget a conversion that nothing can change any more; its key stays known."""
        self._rows.delete(rows.open_key(visitor, conversion_key))
        self._parked.discard(conversion_key)
        left = self._visitors.get(visitor, 0) - 1
        if left > 0:
            self._visitors[visitor] = left
        else:
            self._visitors.pop(visitor, None)

    def undue(self, due: Millis, opened: Open) -> None:
        """Await the end of a conversion's grace no more."""
        self._queue(opened).remove(due, opened.conversion.conversion_key)

    def forget(self, visitor: bytes) -> None:
        """Delete a visitor's touches and notes, and remember that this was done."""
        self.journeys.forget(visitor)
        self._rows.put(rows.forgotten_key(visitor), b"")

    def is_forgotten(self, visitor: bytes) -> bool:
        """Return whether `forget` was committed."""
        return self._rows.get(rows.forgotten_key(visitor)) is not None

    def open_of(self, visitor: bytes) -> list[Open]:
        """Return the open conversions of a visitor that `set_open` has kept, in order of keys."""
        if visitor not in self._visitors:
            return []
        return [rows.unpack_open(row) for _, row in self._rows.above(rows.open_prefix(visitor))]

    def opened(self, keys: Iterable[tuple[bytes, bytes]]) -> list[Open]:
        """Return those of (visitor, conversion key) that are still open."""
        found = self._rows.multi_get([rows.open_key(*key) for key in keys])
        return [rows.unpack_open(row) for row in found if row is not None]

    def with_open(self, visitors: Sequence[bytes]) -> list[int]:
        """Return which of these have conversions that can still change, by their index."""
        known = self._visitors
        return [n for n, visitor in enumerate(visitors) if visitor in known] if known else []

    def has_open(self, visitor: bytes) -> bool:
        """Return whether a visitor has conversions that can still change."""
        return visitor in self._visitors

    # who waits for what

    def _wake(self, visitor: bytes, opened: Open, wait_ms: int) -> None:
        key = opened.conversion.conversion_key
        if opened.wake > self.progress.horizon:
            heappush(self._by_horizon, (opened.wake, visitor, key))
        if opened.decision_id is None and opened.views_end > self.progress.views_next:
            heappush(self._by_views, (opened.views_end, visitor, key))
        if opened.decision_id is not None:
            self._parked.discard(key)
        elif key not in self._parked:
            self._parked.add(key)
            heappush(self._by_deadline, (Millis(opened.read_at + wait_ms), visitor, key))

    def woken(self, now: Millis) -> set[tuple[bytes, bytes]]:
        """Return (visitor, conversion key) of all whose horizon or deadline has come."""
        due: set[tuple[bytes, bytes]] = set()
        while self._by_horizon and self._by_horizon[0][0] <= self.progress.horizon:
            due.add(heappop(self._by_horizon)[1:])
        while self._by_views and self._by_views[0][0] <= self.progress.views_next:
            due.add(heappop(self._by_views)[1:])
        while self._by_deadline and self._by_deadline[0][0] <= now:
            _, visitor, key = heappop(self._by_deadline)
            if key in self._parked:
                due.add((visitor, key))
        return due

    def overdue(self) -> list[tuple[bytes, bytes]]:
        """Take (visitor, conversion key) of conversions whose grace ended, some at a time."""
        reached = self.progress.log_time
        with_views = min(reached, self.progress.views_log)
        return [*self._dues.take(reached), *self._views_dues.take(with_views)]

    # commit

    def commit(self, positions: Mapping[str, int]) -> None:
        """Write what the batch changed and the next offsets by topic, atomically."""
        progress = self.meta.progress
        progress = msgspec.structs.replace(
            progress,
            clicks_next=max(progress.clicks_next, positions.get(CLICKS, 0)),
            views_next=max(progress.views_next, positions.get(IMPRESSIONS, 0)),
        )
        self.meta = msgspec.structs.replace(
            self.meta,
            progress=progress,
            flags_next=positions.get(FLAGS, self.meta.flags_next),
            conversions_next=positions.get(CONVERSIONS, self.meta.conversions_next),
            customers_next=positions.get(CUSTOMERS, self.meta.customers_next),
            redecisions_next=positions.get(REDECISIONS, self.meta.redecisions_next),
        )
        if positions or len(self._rows):
            self._write_meta()
        self._dues.committed()
        self._views_dues.committed()

    def expire(self) -> int:
        """Drop the buckets of touches that no conversion can see any more; return how many.

        Only what is committed is dropped, right after `commit`. An open conversion sees touches
        back to its own `since`, a later one back to the cut or less far.
        """
        cut = self.meta.cut
        if len(self._rows) or cut < self._expire_from or not self.journeys.expired(cut):
            return 0
        self._expire_from = Millis(cut + HOUR_MS)
        opened = (rows.unpack_open(row) for _, row in self._rows.above(b"c"))
        since = min((one.since for one in opened), default=cut)
        gone = self.journeys.expired(min(since, cut))
        self.journeys.drop(gone)
        return len(gone)

    def release(self) -> None:
        """Close the store; an owner that has committed everything leaves it clean."""
        if not len(self._rows):
            self.meta = msgspec.structs.replace(self.meta, clean=True)
            self._write_meta()
        self._table.close()

    def _write_meta(self) -> None:
        self._rows.put(rows.META, rows.encode(self.meta))
        self._rows.flush()

    def _queue(self, opened: Open) -> Dues:
        return self._views_dues if opened.views else self._dues
