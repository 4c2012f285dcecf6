"""The table on disk: one RocksDB a partition, with a column family for each bucket of touches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from afflux.runtime.rocks import DEFAULT, Cursor, FamilyHandle, Rocks
from services.attribution.table import Row, Run, Writes
from services.attribution.touch_rows import HEAD, JOURNEY, bucket_in

_NAME = "touches-"


class RocksTable:
    """A table in a folder; RocksDB's lock refuses a second owner.

    Errors of every method: StoreBusy, StoreDamaged, StoreFull (afflux/runtime/store_faults.py).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rocks = Rocks(folder)

    @classmethod
    def over(cls, rocks: Rocks) -> RocksTable:
        """Return the table of a store that is open already, and closed by who opened it."""
        table = cls.__new__(cls)
        table.folder, table.rocks = rocks.path, rocks
        return table

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys, None where absent."""
        if not any(key[0] == JOURNEY for key in keys):
            return self.rocks.multi_get(keys)
        return [self._get(key) for key in keys]

    def walk(self) -> Walking:
        """Return an iterator over what is written now."""
        return Walking(self.rocks)

    def apply(self, writes: Writes, runs: Sequence[Run] = ()) -> None:
        """Put the runs, then put, or delete where the value is None: in one atomic batch."""
        batch = self.rocks.batch()
        for run in runs:
            batch.put_all(run.keys, run.values, self.rocks.family(_name(run.bucket)))
        for key, value in writes.items():
            family, rest = self._place(key)
            if value is None:
                batch.delete(rest, family)
            else:
                batch.put(rest, value, family)
        self.rocks.write(batch)

    def buckets(self) -> list[int]:
        """Return the buckets of touches there are, in ascending order."""
        return sorted(int(name.removeprefix(_NAME)) for name in self.rocks.families)

    def drop(self, bucket: int) -> None:
        """Forget a bucket of touches: its family, with all files."""
        self.rocks.drop_family(_name(bucket))

    def close(self) -> None:
        """Flush and release the folder."""
        self.rocks.close()

    def _place(self, key: bytes) -> tuple[FamilyHandle | None, bytes]:
        if key[0] != JOURNEY:
            return None, key
        return self.rocks.family(_name(bucket_in(key))), key[HEAD:]

    def _get(self, key: bytes) -> bytes | None:
        if key[0] != JOURNEY:
            return self.rocks.get(key)
        name = _name(bucket_in(key))
        return self.rocks.multi_get([key[HEAD:]], name)[0] if name in self.rocks.families else None


class Walking:
    """Scans over all families as they are when each is first asked for; nothing may be written
    between the first and the last scan."""

    def __init__(self, rocks: Rocks) -> None:
        self._rocks = rocks
        self._cursors: dict[str, Cursor] = {}

    def below(self, prefix: bytes, start: bytes) -> Iterator[Row]:
        """Yield the rows with `prefix` whose key is <= `start`, against key order."""
        if prefix[0] != JOURNEY:
            return self._cursor().below(prefix, start)
        head = prefix[:HEAD]
        cursor = self._of_bucket(head)
        rows = () if cursor is None else cursor.below(prefix[HEAD:], start[HEAD:])
        return ((head + key, value) for key, value in rows)

    def above(self, prefix: bytes) -> Iterator[Row]:
        """Yield the rows with `prefix` in key order."""
        if prefix[0] != JOURNEY:
            return self._cursor().above(prefix)
        head = prefix[:HEAD]
        cursor = self._of_bucket(head)
        rows = () if cursor is None else cursor.above(prefix[HEAD:])
        return ((head + key, value) for key, value in rows)

    def _of_bucket(self, head: bytes) -> Cursor | None:
        name = _name(bucket_in(head))
        return self._cursor(name) if name in self._rocks.families else None

    def _cursor(self, family: str = DEFAULT) -> Cursor:
        if family not in self._cursors:
            self._cursors[family] = self._rocks.cursor(family)
        return self._cursors[family]


def _name(bucket: int) -> str:
    return f"{_NAME}{bucket}"
