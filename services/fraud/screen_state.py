"""What the screen keeps of one partition, in RocksDB.

Keys: `h` the head; `c` + click id: judged; `r` + visitor + link: the latest clicks of that visitor
on that link; `p` + offset + number: a count that is decided but perhaps not published yet.
Offsets, clicks and counts change in one batch, so a crash leaves all of them or none.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from afflux.kernel.events import Click, ClickCount
from afflux.kernel.types import Millis
from afflux.runtime.rocks import Batch, Rocks
from services.fraud.domain.repeats import pack, unpack
from services.fraud.process import Memory, pair_key

VISITOR = 16
"""A pair begins with the visitor's key."""
_HEAD, _CLICK, _PAIR, _PENDING = b"h", b"c", b"r", b"p"


class Head(Struct, frozen=True):
    """Where a partition stands: the next offset, the last published watermark, log time, and up
    to where an owner whose store is lost has published counts."""

    next_offset: int = 0
    marked: int = 0
    recorded_at: Millis = Millis(0)
    counted_to: int = 0


class Change(Struct, frozen=True):
    """What one batch changes: what the clicks were, how far is marked, what was counted."""

    memory: Memory
    marked: int
    recorded_at: Millis
    counts: Sequence[ClickCount] = ()


class ScreenState:
    """The state of one partition; only its owner has the folder open."""

    def __init__(self, path: Path) -> None:
        self._rocks = Rocks(path)
        head = self._rocks.get(_HEAD)
        self.fresh = head is None
        self._erased: Container[bytes] = frozenset()
        self.head = msgspec.msgpack.decode(head, type=Head) if head else Head()
        self.pending: dict[bytes, ClickCount] = {
            key: msgspec.msgpack.decode(value, type=ClickCount)
            for key, value in self._rocks.scan(_PENDING)
        }

    def begin(self, counted_to: int) -> None:
        """Begin a fresh store: clicks below `counted_to` are judged, but not counted again."""
        batch = self._rocks.batch()
        head = Head(counted_to=counted_to)
        batch.put(_HEAD, msgspec.msgpack.encode(head))
        self._rocks.write(batch)
        self.fresh, self.head = False, head

    def forget(self, visitors: Iterable[bytes], erased: Container[bytes]) -> None:
        """Delete what is kept of these visitors, and keep nothing more of all in `erased`."""
        self._erased = erased
        batch = self._rocks.batch()
        for visitor in visitors:
            for key, _ in self._rocks.scan(_PAIR + visitor):
                batch.delete(key)
        self._rocks.write(batch)

    def memory(self, clicks: Iterable[Click]) -> Memory:
        """Return what is known of these clicks, their visitors and links."""
        ids = list({click.click_id for click in clicks})
        pairs = list({pair_key(click) for click in clicks})
        keys = [_CLICK + click_id for click_id in ids] + [_PAIR + pair for pair in pairs]
        values = self._rocks.multi_get(keys)
        seen = {click_id for click_id, value in zip(ids, values, strict=False) if value is not None}
        recent = {pair: unpack(v) for pair, v in zip(pairs, values[len(ids) :], strict=True) if v}
        return Memory(seen, recent)

    def write(
        self, next_offset: int, change: Change | None, marked: int, published: Sequence[bytes]
    ) -> None:
        """Move to `next_offset`: keep what changed, forget the counts that were published."""
        batch = self._rocks.batch()
        recorded_at = change.recorded_at if change else self.head.recorded_at
        head = Head(next_offset, marked, recorded_at, self.head.counted_to)
        batch.put(_HEAD, msgspec.msgpack.encode(head))
        fresh: dict[bytes, ClickCount] = {}
        if change is not None:
            self._put_clicks(batch, change.memory)
            for number, count in enumerate(change.counts):
                key = _PENDING + count.to_offset.to_bytes(8, "big") + number.to_bytes(4, "big")
                batch.put(key, msgspec.msgpack.encode(count))
                fresh[key] = count
        for key in published:
            batch.delete(key)
        self._rocks.write(batch)
        self.head = head
        for key in published:
            del self.pending[key]
        self.pending.update(fresh)

    def _put_clicks(self, batch: Batch, memory: Memory) -> None:
        for click_id in memory.fresh:
            batch.put(_CLICK + click_id, b"")
        for pair in memory.touched:
            if pair[:VISITOR] not in self._erased:
                batch.put(_PAIR + pair, pack(memory.recent[pair]))

    def close(self) -> None:
        """Flush and release the folder."""
        self._rocks.close()
