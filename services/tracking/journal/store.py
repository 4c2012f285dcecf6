"""The disk side of the journal: opening, writing and changing segments. Blocking; one thread."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path

from afflux.runtime import metrics
from afflux.runtime.log import get_logger
from services.tracking.checkpoint import NO_ROOM
from services.tracking.journal.counts import Tally, scan
from services.tracking.journal.examine import examine
from services.tracking.journal.reader import JournalDamaged
from services.tracking.journal.repair import mend_newest
from services.tracking.journal.segment import HEADER_SIZE, KINDS, Header, segment_path, segments

log = get_logger(__name__)
_TALLY = "tally"
_BEGUN = "begun"
"""The tally when the newest segment began: its header, once more."""


class JournalBusy(RuntimeError):
    """Another edge writes this journal: every edge needs its own AFFLUX_EDGE_ID."""


class Store:
    """The segments of one journal, and the one that is written."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._lock = self._locked()
        self.tally = self._recover()
        self._fd = -1
        self._size = 0
        self._opened_at = 0.0

    def write(self, frames: Sequence[bytes], kinds: Sequence[int]) -> int:
        """Append whole records and make them durable; return how many were kept.

        Fewer than given only when the disk has no room: the rest leaves no trace. Any other error
        of the disk is raised, and must end the process: nobody knows what was kept.
        """
        try:
            if self._fd < 0 or self._size >= self._segment_bytes:
                self.rotate()
        except OSError as error:
            if error.errno in NO_ROOM:
                return 0
            raise
        kept = self._append(frames)
        if kept:
            started = time.perf_counter()
            os.fdatasync(self._fd)
            metrics.FSYNC_SECONDS.observe(time.perf_counter() - started)
            metrics.GROUP_RECORDS.observe(kept)
            for kind in kinds[:kept]:
                self.tally.counts[kind] += 1
            self.tally.next_position += kept
        return kept

    def rotate(self) -> None:
        """Begin a new segment; the one before is whole from now on."""
        header = Header(
            self.tally.sequence + 1,
            self.tally.next_position,
            time.time_ns() // 1_000_000,
            tuple(self.tally.counts),
            self.tally.unlogged,
        )
        path = segment_path(self.folder, header.sequence)
        fresh = path.with_suffix(".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            if os.write(fd, header.pack()) != HEADER_SIZE:
                raise OSError(errno.ENOSPC, "no room for a segment header")
            os.fsync(fd)
            os.rename(fresh, path)  # noqa: PTH104 - with the fd open
            self._sync_folder()
        except OSError:
            os.close(fd)
            fresh.unlink(missing_ok=True)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._opened_at = fd, HEADER_SIZE, time.monotonic()
        self.tally.sequence = header.sequence
        self.remember()
        self.remember(_BEGUN)

    def is_due(self, max_age_s: float) -> bool:
        """Return whether the segment holds records and is old enough to be closed."""
        return (
            self._fd >= 0
            and self._size > HEADER_SIZE
            and time.monotonic() - self._opened_at >= max_age_s
        )

    def used_bytes(self) -> int:
        """Return the size of all segments."""
        total = 0
        for path in segments(self.folder):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def close(self) -> None:
        """Close the segment and let go of the journal."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        os.close(self._lock)

    def _append(self, frames: Sequence[bytes]) -> int:
        data = b"".join(frames)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return self._keep_whole(frames, written)
        self._size += len(data)
        return len(frames)

    def _keep_whole(self, frames: Sequence[bytes], written: int) -> int:
        """Cut the record that did not fit; those before it stay, a reader may have seen them."""
        kept = whole = 0
        for frame in frames:
            if whole + len(frame) > written:
                break
            whole += len(frame)
            kept += 1
        os.ftruncate(self._fd, self._size + whole)
        self._size += whole
        return kept

    def _recover(self) -> Tally:
        """Mend the newest segment and cut its torn tail; return where the journal stands."""
        for stale in (*self.folder.glob("*.new"), *self.folder.glob("*.mending")):
            stale.unlink()
        paths = segments(self.folder)
        if not paths:
            return self._remembered()
        path = paths[-1]
        self._mend(path)
        found = scan(path)
        assert found is not None, "it has a header by now"
        _, tally, good, size = found
        if good < size:
            self._cut(path, good)
        return tally

    def _mend(self, path: Path) -> None:
        """What no torn write leaves is damage: records that were answered may stand behind it."""
        found = examine(path)
        if found.header is not None and not found.inner:
            return
        for one in mend_newest(found, found.header or self._header_of(path)):
            log.error(
                "journal_damaged", segment=path.name, at=one.at, lost=one.lost, kept_in=one.kept_in
            )

    def _header_of(self, path: Path) -> Header:
        try:
            begun = _tally((self.folder / _BEGUN).read_text())
        except FileNotFoundError:
            begun = Tally()
        if path != segment_path(self.folder, begun.sequence):
            raise JournalDamaged(
                f"{path} has no readable header, and {_BEGUN} does not say what it was: keep it, "
                "and move it out of the journal to start without its records"
            )
        created_at = int(path.stat().st_mtime * 1_000)
        counts = tuple(begun.counts)
        return Header(begun.sequence, begun.next_position, created_at, counts, begun.unlogged)

    def _cut(self, path: Path, good: int) -> None:
        data = path.read_bytes()[good:]
        kept_in = path.with_suffix(".cut")
        try:
            kept_in.write_bytes(data)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            kept_in.unlink(missing_ok=True)  # a full disk must not keep an edge from starting
        fd = os.open(path, os.O_RDWR)
        try:
            os.ftruncate(fd, good)
            os.fsync(fd)
        finally:
            os.close(fd)
        log.warning("journal_tail_cut", segment=path.name, bytes=len(data))

    def remember(self, name: str = _TALLY) -> None:
        """Write where the journal stands beside it, should all its segments be removed; without
        room on the disk what stands there stays."""
        tally = self.tally
        numbers = [tally.sequence, tally.next_position, *tally.counts, tally.unlogged]
        fresh = self.folder / f"{name}.tmp"
        try:
            fresh.write_text(" ".join(map(str, numbers)))
            fresh.rename(self.folder / name)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            fresh.unlink(missing_ok=True)

    def _remembered(self) -> Tally:
        try:
            return _tally((self.folder / _TALLY).read_text())
        except FileNotFoundError:
            return Tally()

    def _locked(self) -> int:
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise JournalBusy(f"another edge writes {self.folder}") from None
        return fd

    def _sync_folder(self) -> None:
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _tally(text: str) -> Tally:
    sequence, position, *counts, unlogged = map(int, text.split())
    counts += [0] * (KINDS - len(counts))  # an earlier version knew fewer kinds
    return Tally(sequence, position, counts, unlogged)
