"""What a batch has written but not committed, over what is committed: it reads its own writes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from heapq import merge

from services.attribution.table import Row, Run, Table, Walk, Writes, family
from services.attribution.touch_rows import HEAD, bucket_head


class Overlay:
    """Single rows, and runs of many touches, until they are flushed to the table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._writes: Writes = {}
        self._runs: list[Run] = []
        self._families: dict[bytes, set[bytes]] = {}
        self._walk: Walk | None = None

    def __len__(self) -> int:
        return len(self._writes) + sum(len(run.keys) for run in self._runs)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a single row, or None."""
        if key in self._writes:
            return self._writes[key]
        return self._table.multi_get([key])[0]

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many single rows, None where absent."""
        absent = [key for key in keys if key not in self._writes]
        found = dict(zip(absent, self._table.multi_get(absent), strict=True))
        return [self._writes[key] if key in self._writes else found[key] for key in keys]

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self._set(key, value)

    def delete(self, key: bytes) -> None:
        """Remove a key."""
        self._set(key, None)

    def put_run(self, run: Run) -> None:
        """Set many touches at once; they are found by `below` and `above` alone."""
        self._runs.append(run)

    def below(self, prefix: bytes, start: bytes) -> Iterator[Row]:
        """Yield the rows of a family (`prefix`) whose key is <= `start`, against key order."""
        mine = {key: row for key, row in self._mine(prefix).items() if key <= start}
        return self._merged(mine, self._stored().below(prefix, start), reverse=True)

    def above(self, prefix: bytes) -> Iterator[Row]:
        """Yield the rows of a family (`prefix`) in key order."""
        return self._merged(self._mine(prefix), self._stored().above(prefix), reverse=False)

    def flush(self) -> None:
        """Write everything at once, then start anew."""
        self._walk = None
        if self._writes or self._runs:
            self._table.apply(self._writes, self._runs)
        self._writes = {}
        self._runs = []
        self._families = {}

    def _set(self, key: bytes, value: bytes | None) -> None:
        self._writes[key] = value
        self._families.setdefault(family(key), set()).add(key)

    def _mine(self, prefix: bytes) -> Writes:
        mine: Writes = {}
        for run in self._runs:
            head = bucket_head(run.bucket)
            if prefix.startswith(head):
                mine.update(_of_visitor(run, head, prefix[HEAD:]))
        mine.update((key, self._writes[key]) for key in self._families.get(prefix, ()))
        return mine

    def _stored(self) -> Walk:
        if self._walk is None:
            self._walk = self._table.walk()
        return self._walk

    def _merged(self, mine: Writes, stored: Iterator[Row], reverse: bool) -> Iterator[Row]:
        if not mine:
            return stored
        written = sorted(
            ((key, row) for key, row in mine.items() if row is not None), reverse=reverse
        )
        others = (row for row in stored if row[0] not in mine)
        return merge(written, others, reverse=reverse)


def _of_visitor(run: Run, head: bytes, visitor: bytes) -> Iterator[Row]:
    at = bisect_left(run.keys, visitor)
    while at < len(run.keys) and run.keys[at].startswith(visitor):
        yield head + run.keys[at], run.values[at]
        at += 1
