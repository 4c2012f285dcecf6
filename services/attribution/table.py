"""The store's port, and its twin in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from services.attribution.touch_rows import HEAD, JOURNEY, VISITOR, bucket_head, bucket_in

Row = tuple[bytes, bytes]
Writes = dict[bytes, bytes | None]
_FAMILY = 17


class Run(Struct, frozen=True):
    """Many new rows of one bucket of touches, with visitors in ascending order; the keys are
    without the bucket's head."""

    bucket: int
    keys: list[bytes]
    values: list[bytes]


def family(key: bytes) -> bytes:
    """Return the head of a key within which scans happen: a kind, a bucket, and a visitor."""
    return key[: HEAD + VISITOR] if key[0] == JOURNEY else key[:_FAMILY]


class Walk(Protocol):
    """An iterator over all rows as of its creation; one serves all reads of a batch."""

    def below(self, prefix: bytes, start: bytes) -> Iterator[Row]:
        """Yield the rows with `prefix` whose key is <= `start`, against key order."""
        ...

    def above(self, prefix: bytes) -> Iterator[Row]:
        """Yield the rows with `prefix` in key order."""
        ...


class Table(Protocol):
    """Ordered bytes to bytes, with atomic batches: RocksDB, or memory for replays."""

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys, None where absent."""
        ...

    def walk(self) -> Walk:
        """Return an iterator over what is written now."""
        ...

    def apply(self, writes: Writes, runs: Sequence[Run] = ()) -> None:
        """Put the runs, then put, or delete where the value is None: all of it or nothing."""
        ...

    def buckets(self) -> list[int]:
        """Return the buckets of touches there are, in ascending order."""
        ...

    def drop(self, bucket: int) -> None:
        """Forget every row of a bucket of touches, at once and without reading them."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...


class MemoryTable:
    """A table without a disk, for replays: the same behaviour, gone with the process."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys, None where absent."""
        return [self._rows.get(key) for key in keys]

    def walk(self) -> MemoryTable:
        """Return itself: nothing is written while a batch reads."""
        return self

    def below(self, prefix: bytes, start: bytes) -> Iterator[Row]:
        """Yield the rows with `prefix` whose key is <= `start`, against key order."""
        at = bisect_right(self._keys, start) - 1
        while at >= 0 and self._keys[at].startswith(prefix):
            yield self._keys[at], self._rows[self._keys[at]]
            at -= 1

    def above(self, prefix: bytes) -> Iterator[Row]:
        """Yield the rows with `prefix` in key order."""
        at = bisect_left(self._keys, prefix)
        while at < len(self._keys) and self._keys[at].startswith(prefix):
            yield self._keys[at], self._rows[self._keys[at]]
            at += 1

    def apply(self, writes: Writes, runs: Sequence[Run] = ()) -> None:
        """Put the runs, then put, or delete where the value is None."""
        for run in runs:
            head = bucket_head(run.bucket)
            self._rows.update(zip((head + key for key in run.keys), run.values, strict=True))
        for key, value in writes.items():
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
        self._keys = sorted(self._rows)

    def buckets(self) -> list[int]:
        """Return the buckets of touches there are, in ascending order."""
        return sorted({bucket_in(key) for key in self._keys if key[0] == JOURNEY})

    def drop(self, bucket: int) -> None:
        """Forget every row of a bucket."""
        head = bucket_head(bucket)
        self._rows = {key: row for key, row in self._rows.items() if not key.startswith(head)}
        self._keys = sorted(self._rows)

    def close(self) -> None:
        """Keep the rows, so that it can be opened again."""
