"""The table on disk: one RocksDB a partition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from afflux.runtime.rocks import Cursor, Rocks
from services.attribution.table import Writes


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
        return self.rocks.multi_get(keys)

    def walk(self) -> Cursor:
        """Return an iterator over what is written now."""
        return self.rocks.cursor()

    def apply(self, writes: Writes) -> None:
        """Put, or delete where the value is None, in one atomic batch."""
        batch = self.rocks.batch()
        for key, value in writes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self.rocks.write(batch)

    def close(self) -> None:
        """Flush and release the folder."""
        self.rocks.close()
