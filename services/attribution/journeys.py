"""The touches of one partition in its state: written blindly, read a visitor at a time.

A conversion sees the touches whose log time is between `since` and `until`. Both are properties of
the log, so it does not matter whether older touches have been dropped already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain

from msgspec import Struct

from afflux.kernel.types import Millis
from services.attribution import touch_rows
from services.attribution.domain.journey import Note, Seen, Step, counted, gather, merge_notes
from services.attribution.overlay import Overlay
from services.attribution.table import Row, Run, Table
from services.attribution.touch_rows import CLICK, HEAD, IMPRESSION, NOTES, bucket_of

SKEW_MS = 3_600_000
"""Notes stand by a later log time than their own, lest a clock of the screen that is behind the
edge's puts them into a bucket before that of their click."""
_Noted = tuple[Seen, tuple[Note, ...]]


class Look(Struct, frozen=True):
    """What of a visitor's touches one conversion may see.

    Up to its `occurred_at`; of log time `since` to `until`; impressions only if `views`. A bound
    falls on the touches of `advertiser_id` and on those of all others apart.
    """

    occurred_at: Millis
    advertiser_id: int
    since: Millis
    until: Millis
    views: bool = False


class Journeys:
    """All touches and notes of one partition, over the overlay that the whole state writes to."""

    def __init__(self, table: Table, rows: Overlay) -> None:
        self._table = table
        self._rows = rows
        self._buckets = table.buckets()

    @property
    def buckets(self) -> list[int]:
        """The buckets there are, in ascending order."""
        return list(self._buckets)

    def add(self, visitor: bytes, seen: Seen) -> None:
        """Put one touch into its visitor's journey."""
        self._know(bucket_of(seen.log_time))
        self._rows.put(touch_rows.touch_key(visitor, seen), touch_rows.pack(seen))

    def add_runs(self, runs: Iterable[Run]) -> None:
        """Put many touches at once."""
        for run in runs:
            self._know(run.bucket)
            self._rows.put_run(run)

    def notes(self, visitor: bytes, click_id: bytes) -> tuple[Note, ...]:
        """Return the notes of a click, come or not."""
        keys = [touch_rows.notes_key(bucket, visitor, click_id) for bucket in self._buckets]
        found = map(touch_rows.unpack_notes, self._rows.multi_get(keys))
        return merge_notes((), chain.from_iterable(found))

    def set_notes(
        self, visitor: bytes, click_id: bytes, notes: tuple[Note, ...], log_time: Millis
    ) -> None:
        """Keep the notes of a click as of a log time of the flags; earlier ones are among them."""
        bucket = bucket_of(Millis(log_time + SKEW_MS))
        self._know(bucket)
        key = touch_rows.notes_key(bucket, visitor, click_id)
        self._rows.put(key, touch_rows.pack_notes(notes))

    def steps(self, visitor: bytes, look: Look) -> tuple[tuple[Step, ...], bool]:
        """Return the touches a conversion may see, oldest first, and whether some were cut."""
        return gather(
            self._against_time(visitor, look),
            look.occurred_at,
            look.until,
            look.advertiser_id,
        )

    def named(self, visitor: bytes, click_id: bytes, look: Look) -> Step | None:
        """Return the click that a report names, however late it was logged, once it has come."""
        found: list[Seen] = []
        notes: tuple[Note, ...] = ()
        for bucket in self._from(look.since):
            prefix = touch_rows.journey_prefix(bucket, visitor)
            start = prefix + click_id + b"\xff"
            for key, row in self._rows.below(prefix, start):
                touch_id, letter = touch_rows.id_and_letter(key)
                if touch_id != click_id:
                    break
                if letter == NOTES:
                    notes = merge_notes(notes, touch_rows.unpack_notes(row))
                elif letter == CLICK:
                    found.append(touch_rows.unpack(key, row))
        seen = [each for each in found if each.log_time >= look.since]
        if not seen:
            return None
        return Step(min(seen, key=_by_offset), counted(notes, look.until))

    def forget(self, visitor: bytes) -> None:
        """Delete a visitor's touches and notes."""
        for bucket in self._buckets:
            for key, _ in list(self._rows.above(touch_rows.journey_prefix(bucket, visitor))):
                self._rows.delete(key)

    def expired(self, before: Millis) -> list[int]:
        """Return the buckets that end, a bucket's length early, at log time `before` or earlier.

        The bucket in between gives room to notes, which have the log time of another partition.
        """
        return [bucket for bucket in self._buckets if bucket + 1 < bucket_of(before)]

    def drop(self, buckets: Iterable[int]) -> None:
        """Drop whole buckets; nothing may wait in the overlay."""
        for bucket in buckets:
            self._table.drop(bucket)
        self._buckets = self._table.buckets()

    def _know(self, bucket: int) -> None:
        if bucket not in self._buckets:
            self._buckets = sorted((*self._buckets, bucket))

    def _from(self, since: Millis) -> list[int]:
        return [bucket for bucket in self._buckets if bucket >= bucket_of(since)]

    def _against_time(self, visitor: bytes, look: Look) -> Iterator[_Noted]:
        """Yield clicks, and impressions if asked, newest first, each id once: the first logged."""
        notes: list[Row] = []
        last = b""
        for key, row in self._newest_first(visitor, look):
            touch_id, letter = touch_rows.id_and_letter(key)
            if letter == NOTES:
                notes = [*(each for each in notes if each[0] == touch_id), (touch_id, row)]
                continue
            if touch_id == last or (letter == IMPRESSION and not look.views):
                continue
            seen = touch_rows.unpack(key, row)
            if seen.log_time < look.since:
                continue
            last = touch_id
            yield seen, _notes_of(touch_id, notes)

    def _newest_first(self, visitor: bytes, look: Look) -> Iterator[Row]:
        walks = []
        for bucket in self._from(look.since):
            start = touch_rows.last_key(bucket, visitor, look.occurred_at)
            walks.append(self._rows.below(touch_rows.journey_prefix(bucket, visitor), start))
        if len(walks) == 1:
            return walks[0]
        return merge(*walks, key=_in_bucket, reverse=True)


def _notes_of(click_id: bytes, rows: list[Row]) -> tuple[Note, ...]:
    if not rows:
        return ()
    # Earlier buckets come first: the first flag of a signal is the one that counts.
    own = (row for touch_id, row in rows if touch_id == click_id)
    return merge_notes((), chain.from_iterable(map(touch_rows.unpack_notes, own)))


def _in_bucket(row: Row) -> bytes:
    return row[0][HEAD:]


def _by_offset(seen: Seen) -> int:
    return seen.offset
