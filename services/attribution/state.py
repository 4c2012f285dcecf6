"""The state of one partition: journeys, notes, conversions that can still change, progress.

Everything is written through an overlay, so that a batch reads its own writes, and committed with
the next offsets in one atomic batch. What is held in memory (visitors with open conversions, who
waits for what) is derived from the store when it is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush

import msgspec

from afflux.kernel.events import Click, ClickFlag, Conversion, CustomerBound, Redecision
from afflux.kernel.types import Millis
from services.attribution import last_rows, rows
from services.attribution.domain.journey import Journey, Note, Seen, Step, counted, gather
from services.attribution.domain.parking import Progress, visitor_of
from services.attribution.rows import Open
from services.attribution.table import Overlay, Table

CLICKS, FLAGS, CONVERSIONS = Click.topic, ClickFlag.topic, Conversion.topic
CUSTOMERS, REDECISIONS = CustomerBound.topic, Redecision.topic
SWEEP = 500
"""Conversions looked at in one batch when their grace ends."""


class State:
    """One partition's state over a table; one owner at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows = Overlay(table, rows.FAMILY)
        self.meta = rows.unpack_meta(self._rows.get(rows.META))
        self._visitors: dict[bytes, int] = {}
        self._by_horizon: list[tuple[int, bytes, bytes]] = []
        self._by_deadline: list[tuple[Millis, bytes, bytes]] = []
        self._parked: set[bytes] = set()
        self._next_due: Millis | None = Millis(0)
        self._new_due: Millis | None = None

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

    def conversion_read(self, recorded_at: Millis) -> Millis:
        """Move the log time of the conversions partition on, and return it."""
        log_time = max(self.meta.conversions_log, recorded_at)
        self.meta = msgspec.structs.replace(self.meta, conversions_log=log_time)
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
        }

    @property
    def rows(self) -> Overlay:
        """The rows themselves, for customers' books: they are committed with everything else."""
        return self._rows

    @property
    def parked(self) -> int:
        """How many conversions wait for their first decision."""
        return len(self._parked)

    # clicks and notes

    def missing_clicks(self, clicks: Sequence[Click]) -> set[bytes]:
        """Return the ids of the clicks that are not in the journeys yet."""
        keys = [rows.click_row_key(click.visitor_key, click.click_id) for click in clicks]
        found = self._rows.multi_get(keys)
        return {click.click_id for click, row in zip(clicks, found, strict=True) if row is None}

    def add_click(self, visitor: bytes, seen: Seen) -> None:
        """Put a click into its visitor's journey."""
        self._rows.put(rows.click_row_key(visitor, seen.click_id), rows.pack_click(seen))

    def notes(self, visitor: bytes, click_id: bytes) -> tuple[Note, ...]:
        """Return the notes of a click, come or not."""
        return rows.unpack_notes(self._rows.get(rows.notes_row_key(visitor, click_id)))

    def set_notes(self, visitor: bytes, click_id: bytes, notes: tuple[Note, ...]) -> None:
        """Replace the notes of a click."""
        self._rows.put(rows.notes_row_key(visitor, click_id), rows.encode(notes))

    def journey(self, conversion: Conversion, until: Millis) -> Journey:
        """Return what `conversion` may look at; its grace ends at log time `until`."""
        visitor = visitor_of(conversion)
        if visitor is None:
            return Journey()
        at, click_id = conversion.occurred_at, conversion.click_id
        steps, omitted = gather(self._against_time(visitor, at), at, until)
        if click_id is None:
            return Journey(steps, None, omitted)
        among = (step for step in reversed(steps) if step.seen.click_id == click_id)
        return Journey(steps, next(among, None) or self._named(visitor, click_id, until), omitted)

    def _against_time(self, visitor: bytes, at: Millis) -> Iterator[tuple[Seen, tuple[Note, ...]]]:
        notes: tuple[bytes, bytes] | None = None
        start = rows.last_row_key(visitor, at)
        for key, value in self._rows.below(rows.journey_prefix(visitor), start):
            click_id, is_click = rows.split_journey_key(key)
            if not is_click:
                notes = click_id, value
                continue
            own = notes[1] if notes is not None and notes[0] == click_id else None
            yield rows.unpack_click(click_id, value), rows.unpack_notes(own)

    def _named(self, visitor: bytes, click_id: bytes, until: Millis) -> Step | None:
        keys = [rows.click_row_key(visitor, click_id), rows.notes_row_key(visitor, click_id)]
        click, notes = self._rows.multi_get(keys)
        if click is None:
            return None
        return Step(rows.unpack_click(click_id, click), counted(rows.unpack_notes(notes), until))

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
        self._rows.put(rows.due_key(due, opened.conversion.conversion_key), visitor)
        self._new_due = _earlier(self._new_due, due)

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

    def undue(self, due: Millis, conversion_key: bytes) -> None:
        """Await the end of a conversion's grace no more."""
        self._rows.delete(rows.due_key(due, conversion_key))

    def forget(self, visitor: bytes) -> None:
        """Delete a visitor's clicks and notes, and remember that this was done."""
        for key, _ in list(self._rows.above(rows.journey_prefix(visitor))):
            self._rows.delete(key)
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

    def has_open(self, visitor: bytes) -> bool:
        """Return whether a visitor has conversions that can still change."""
        return visitor in self._visitors

    # who waits for what

    def _wake(self, visitor: bytes, opened: Open, wait_ms: int) -> None:
        key = opened.conversion.conversion_key
        if opened.wake > self.progress.horizon:
            heappush(self._by_horizon, (opened.wake, visitor, key))
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
        while self._by_deadline and self._by_deadline[0][0] <= now:
            _, visitor, key = heappop(self._by_deadline)
            if key in self._parked:
                due.add((visitor, key))
        return due

    def overdue(self) -> list[tuple[bytes, bytes]]:
        """Take (visitor, conversion key) of conversions whose grace ended, SWEEP at most."""
        reached = self.progress.log_time
        if self._next_due is None or self._next_due >= reached:
            return []
        taken: list[tuple[bytes, bytes]] = []
        self._next_due = None
        for key, visitor in self._rows.above(rows.DUE):
            due, conversion_key = rows.split_due_key(key)
            if due >= reached or len(taken) == SWEEP:
                self._next_due = due
                break
            taken.append((visitor, conversion_key))
            self._rows.delete(key)
        return taken

    # commit

    def commit(self, positions: Mapping[str, int]) -> None:
        """Write what the batch changed and the next offsets by topic, atomically."""
        progress = self.meta.progress
        if CLICKS in positions:
            progress = msgspec.structs.replace(
                progress, clicks_next=max(progress.clicks_next, positions[CLICKS])
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
        self._next_due, self._new_due = _earlier(self._next_due, self._new_due), None

    def release(self) -> None:
        """Close the store; an owner that has committed everything leaves it clean."""
        if not len(self._rows):
            self.meta = msgspec.structs.replace(self.meta, clean=True)
            self._write_meta()
        self._table.close()

    def _write_meta(self) -> None:
        self._rows.put(rows.META, rows.encode(self.meta))
        self._rows.flush()


def _earlier(one: Millis | None, other: Millis | None) -> Millis | None:
    return min((value for value in (one, other) if value is not None), default=None)
