"""The store's port, its twin in memory, and an overlay that reads its own uncommitted writes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import Protocol

Row = tuple[bytes, bytes]
Writes = dict[bytes, bytes | None]


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

    def apply(self, writes: Writes) -> None:
        """Put, or delete where the value is None, all of it or nothing."""
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

    def apply(self, writes: Writes) -> None:
        """Put, or delete where the value is None."""
        for key, value in writes.items():
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
        self._keys = sorted(self._rows)

    def close(self) -> None:
        """Keep the rows, so that it can be opened again."""


class Overlay:
    """What a batch has written but not committed, over what is committed."""

    def __init__(self, table: Table, family: int) -> None:
        """`family`: length of the key's head within which scans happen."""
        self._table = table
        self._family = family
        self._writes: Writes = {}
        self._families: dict[bytes, set[bytes]] = {}
        self._walk: Walk | None = None

    def __len__(self) -> int:
        return len(self._writes)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        if key in self._writes:
            return self._writes[key]
        return self._table.multi_get([key])[0]

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys, None where absent."""
        absent = [key for key in keys if key not in self._writes]
        found = dict(zip(absent, self._table.multi_get(absent), strict=True))
        return [self._writes[key] if key in self._writes else found[key] for key in keys]

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self._set(key, value)

    def delete(self, key: bytes) -> None:
        """Remove a key."""
        self._set(key, None)

    def below(self, prefix: bytes, start: bytes) -> Iterator[Row]:
        """Yield the rows of a family (`prefix`) whose key is <= `start`, against key order."""
        mine = sorted((key for key in self._mine(prefix) if key <= start), reverse=True)
        stored = self._stored().below(prefix, start)
        if not mine:
            return stored
        return self._merged(mine, stored, reverse=True)

    def above(self, prefix: bytes) -> Iterator[Row]:
        """Yield the rows of a family (`prefix`) in key order."""
        mine = sorted(self._mine(prefix))
        stored = self._stored().above(prefix)
        return self._merged(mine, stored, reverse=False) if mine else stored

    def flush(self) -> None:
        """Write everything at once, then start anew."""
        self._walk = None
        if self._writes:
            self._table.apply(self._writes)
        self._writes = {}
        self._families = {}

    def _set(self, key: bytes, value: bytes | None) -> None:
        self._writes[key] = value
        self._families.setdefault(key[: self._family], set()).add(key)

    def _mine(self, prefix: bytes) -> set[bytes]:
        return self._families.get(prefix, set())

    def _stored(self) -> Walk:
        if self._walk is None:
            self._walk = self._table.walk()
        return self._walk

    def _merged(self, mine: list[bytes], stored: Iterator[Row], reverse: bool) -> Iterator[Row]:
        written = [(key, b"") for key in mine]
        others = (row for row in stored if row[0] not in self._writes)
        for key, value in merge(written, others, reverse=reverse):
            if key not in self._writes:
                yield key, value
                continue
            own = self._writes[key]
            if own is not None:
                yield key, own
