"""RocksDB through rocksdict in raw mode: bytes to bytes, ordered, batches atomic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast
from weakref import WeakSet

from rocksdict import (
    AccessType,
    Checkpoint,
    ColumnFamily,
    Rdict,
    RdictIter,
    WriteBatch,
    WriteOptions,
)

from afflux.runtime.rocks_options import family_options, store_options
from afflux.runtime.store_faults import told

FamilyHandle = ColumnFamily
DEFAULT = "default"
"""The column family of whoever names none."""


class Batch:
    """Writes that happen together or not at all; `family` is a handle that the store gave."""

    def __init__(self) -> None:
        self.raw = WriteBatch(raw_mode=True)

    def put(self, key: bytes, value: bytes, family: FamilyHandle | None = None) -> None:
        """Set a key."""
        self.raw.put(key, value, family)

    def put_all(self, keys: Sequence[bytes], values: Sequence[bytes], family: FamilyHandle) -> None:
        """Set many keys."""
        put = self.raw.put
        for key, value in zip(keys, values, strict=True):
            put(key, value, family)

    def delete(self, key: bytes, family: FamilyHandle | None = None) -> None:
        """Remove a key."""
        self.raw.delete(key, family)

    def __len__(self) -> int:
        return int(self.raw.len())


class Cursor:
    """One iterator for many scans, over the rows as they were when it was made.

    It has one place: finish or abandon a scan before the next one.
    """

    def __init__(self, raw: RdictIter, path: Path) -> None:
        self._raw = raw
        self._path = path

    def above(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key starts with `prefix`, in key order."""
        cursor = self._raw
        cursor.seek(prefix)
        while cursor.valid():
            key: bytes = cursor.key()
            if not key.startswith(prefix):
                return
            yield key, cursor.value()
            cursor.next()
        checked(cursor, self._path)

    def below(self, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key starts with `prefix` and is <= `start`, against key order."""
        cursor = self._raw
        cursor.seek_for_prev(start)
        while cursor.valid():
            key: bytes = cursor.key()
            if not key.startswith(prefix):
                return
            yield key, cursor.value()
            cursor.prev()
        checked(cursor, self._path)

    def release(self) -> None:
        """Let the store go; nothing can be scanned any more."""
        del self._raw


def checked(cursor: RdictIter, path: Path) -> None:
    """Tell the end of the rows from rows that cannot be read: an iterator stops at both.

    Errors: StoreDamaged and the others of `told`.
    """
    try:
        cursor.status()
    except Exception as error:
        raise told(path, error) from error


class Rocks:
    """One store in one folder; a second opener of the same folder is refused by RocksDB's lock.

    Errors of every method: StoreBusy, StoreDamaged, StoreFull (store_faults.py).
    `read_only` sees what was written before it was opened, and takes no lock. A store may hold
    rows in column families beside the default one: each can be dropped at once.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        access = AccessType.read_only(False) if read_only else AccessType.read_write()
        self.path = path
        try:
            names = Rdict.list_cf(str(path)) if (path / "CURRENT").exists() else []
            self._db = Rdict(
                str(path),
                options=store_options(),
                column_families={name: family_options() for name in names if name != DEFAULT},
                access_type=access,
            )
            self._families = {
                name: self._db.get_column_family(name) for name in names if name != DEFAULT
            }
        except Exception as error:
            raise told(path, error) from error
        self._cursors: WeakSet[Cursor] = WeakSet()
        self._write = WriteOptions()
        self._write.memtable_insert_hint_per_batch = True

    @property
    def families(self) -> list[str]:
        """Names of the column families beside the default one, sorted."""
        return sorted(self._families)

    def family(self, name: str) -> FamilyHandle:
        """Return the handle of a column family for `Batch`; it is made where it is not there."""
        try:
            if name not in self._families:
                self._families[name] = self._db.create_column_family(name, family_options())
            return self._db.get_column_family_handle(name)
        except Exception as error:
            raise told(self.path, error) from error

    def drop_family(self, name: str) -> None:
        """Forget a column family and all its rows, without reading them."""
        self._families.pop(name).close()
        try:
            self._db.drop_column_family(name)
        except Exception as error:
            raise told(self.path, error) from error

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self.multi_get([key])[0]

    def multi_get(self, keys: Sequence[bytes], family: str = DEFAULT) -> list[bytes | None]:
        """Return the values of many keys in one call, None where absent."""
        if not keys:
            return []
        try:
            return cast("list[bytes | None]", self._of(family).get(list(keys)))
        except Exception as error:
            raise told(self.path, error) from error

    def scan(self, prefix: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key starts with `prefix`, in key order or against it."""
        cursor = self._db.iter()
        if reverse:
            cursor.seek_for_prev(prefix + b"\xff" * 32)
        else:
            cursor.seek(prefix)
        while cursor.valid():
            key: bytes = cursor.key()
            if not key.startswith(prefix):
                return
            yield key, cursor.value()
            if reverse:
                cursor.prev()
            else:
                cursor.next()
        checked(cursor, self.path)

    def cursor(self, family: str = DEFAULT) -> Cursor:
        """Return an iterator for many scans over the rows of a family as they are now.

        Scans of a family other than the default one stay within the first bytes of a key
        (rocks_options.PREFIX).
        """
        made = Cursor(self._of(family).iter(), self.path)
        self._cursors.add(made)
        return made

    def batch(self) -> Batch:
        """Return an empty batch for `write`."""
        return Batch()

    def write(self, batch: Batch) -> None:
        """Write a batch atomically; it survives the end of this process."""
        try:
            self._db.write(batch.raw, self._write)
        except Exception as error:
            raise told(self.path, error) from error

    def checkpoint(self, path: Path) -> None:
        """Make a consistent copy, hard-linked, in a new folder of the same disk.

        Memory is flushed first, so that the copy needs no log replayed when it is opened.
        """
        try:
            Checkpoint(self._db).create_checkpoint(str(path))
        except Exception as error:
            raise told(self.path, error) from error

    def rows(self) -> int:
        """Return RocksDB's estimate of how many rows there are, in all families."""
        tables = (self._db, *self._families.values())
        return sum(int(one.property_int_value("rocksdb.estimate-num-keys") or 0) for one in tables)

    def close(self) -> None:
        """Flush and release the folder."""
        try:
            # Whatever still refers to the store holds its lock, and may be kept by a cycle.
            for cursor in self._cursors:
                cursor.release()
            while self._families:
                self._families.popitem()[1].close()
            self._db.close()
        except Exception as error:
            raise told(self.path, error) from error

    def _of(self, family: str) -> Rdict:
        return self._db if family == DEFAULT else self._families[family]
