"""Reading a journal from outside the edge, while it is written."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from services.tracking.journal.segment import (
    FRAME,
    HEADER_SIZE,
    HOLE,
    MAX_PAYLOAD,
    Header,
    frames,
    segments,
    span,
    unpack_header,
)


class JournalDamaged(RuntimeError):
    """A closed segment holds what is no record: a person has to look."""


class StoredRecord(Struct, frozen=True, gc=False):
    """One durable record of the journal."""

    position: int
    kind: int
    payload: bytes


class _Open:
    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.header = header
        self.offset = HEADER_SIZE
        self.position = header.first_position
        self.fd = os.open(path, os.O_RDONLY)


class JournalReader:
    """Reads records in order, once; remembers which segments were read to their end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._at: _Open | None = None
        self._finished: list[Path] = []

    def read(self, max_bytes: int) -> list[StoredRecord]:
        """Return the next durable records, at most about `max_bytes`; none when there are none.

        What is returned is on disk: the file is synced here first, because what was handed on must
        not get lost with a power cut, and its position be given away again. Blocking.
        """
        while True:
            at = self._at or self._open_next(None)
            if at is None:
                return []
            is_last, before = not self._later(at), at.offset
            records = self._read_from(at, max_bytes)
            if records:
                return records
            if at.offset > before:
                continue  # a hole
            if is_last:
                return records
            if os.fstat(at.fd).st_size != at.offset:
                raise JournalDamaged(f"{at.path} has no record at byte {at.offset}")
            self._finish(at)

    def finished(self) -> list[Path]:
        """Return the segments read to their end since the last call; they can be deleted once all
        of their records are shipped."""
        done, self._finished = self._finished, []
        return done

    def place(self) -> tuple[Path, int] | None:
        """Return the segment and the byte up to which was read."""
        return None if self._at is None else (self._at.path, self._at.offset)

    def close(self) -> None:
        """Close the open segment."""
        if self._at is not None:
            os.close(self._at.fd)
            self._at = None

    def _read_from(self, at: _Open, max_bytes: int) -> list[StoredRecord]:
        size = os.fstat(at.fd).st_size
        if size <= at.offset:
            return []
        os.fdatasync(at.fd)
        data = os.pread(at.fd, min(size - at.offset, max_bytes), at.offset)
        if len(data) < FRAME.size + MAX_PAYLOAD and at.offset + len(data) < size:
            data = os.pread(at.fd, FRAME.size + MAX_PAYLOAD, at.offset)  # at least one record
        records: list[StoredRecord] = []
        used, position = 0, at.position
        for kind, payload, end in frames(data):
            if kind == HOLE:
                position += span(kind, payload)
            else:
                records.append(StoredRecord(position, kind, payload))
                position += 1
            used = end
        at.offset += used
        at.position = position
        return records

    def _open_next(self, after: Path | None) -> _Open | None:
        for path in segments(self._folder):
            if after is not None and path <= after:
                continue
            with path.open("rb") as file:
                header = unpack_header(file.read(HEADER_SIZE))
            if header is None:
                raise JournalDamaged(f"{path} has no header")
            self._at = _Open(path, header)
            return self._at
        return None

    def _later(self, at: _Open) -> bool:
        return any(path > at.path for path in segments(self._folder))

    def _finish(self, at: _Open) -> None:
        os.close(at.fd)
        self._at = None
        self._finished.append(at.path)
        following = self._open_next(at.path)
        if following is not None and following.header.first_position != at.position:
            raise JournalDamaged(
                f"{following.path} begins at position {following.header.first_position}, "
                f"the one before ends at {at.position}"
            )
