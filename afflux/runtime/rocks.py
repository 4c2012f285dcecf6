"""RocksDB through rocksdict in raw mode: bytes to bytes, ordered, batches atomic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from rocksdict import AccessType, Checkpoint, Options, Rdict, RdictIter, WriteBatch

from afflux.runtime.store_faults import told


class Batch:
    """Writes that happen together or not at all."""

    def __init__(self) -> None:
        self.raw = WriteBatch(raw_mode=True)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self.raw.put(key, value)

    def delete(self, key: bytes) -> None:
        """Remove a key."""
        self.raw.delete(key)

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
    `read_only` sees what was written before it was opened, and takes no lock.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_max_background_jobs(2)
        options.set_write_buffer_size(32 << 20)
        options.set_keep_log_file_num(2)
        path.parent.mkdir(parents=True, exist_ok=True)
        access = AccessType.read_only(False) if read_only else AccessType.read_write()
        self.path = path
        try:
            self._db = Rdict(str(path), options=options, access_type=access)
        except Exception as error:
            raise told(path, error) from error

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self.multi_get([key])[0]

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys in one call, None where absent."""
        if not keys:
            return []
        try:
            return cast("list[bytes | None]", self._db.get(list(keys)))
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

    def cursor(self) -> Cursor:
        """Return an iterator for many scans over the rows as they are now."""
        return Cursor(self._db.iter(), self.path)

    def batch(self) -> Batch:
        """Return an empty batch for `write`."""
        return Batch()

    def write(self, batch: Batch) -> None:
        """Write a batch atomically; it survives the end of this process."""
        try:
            self._db.write(batch.raw)
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
        """Return RocksDB's estimate of how many rows there are."""
        return int(self._db.property_int_value("rocksdb.estimate-num-keys") or 0)

    def close(self) -> None:
        """Flush and release the folder."""
        try:
            self._db.close()
        except Exception as error:
            raise told(self.path, error) from error
