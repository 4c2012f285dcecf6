"""Group commit: many requests, one fdatasync, one future (law T1)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from afflux.runtime.log import get_logger
from services.tracking.domain.entries import Kind
from services.tracking.journal.segment import frame
from services.tracking.journal.store import Store

log = get_logger(__name__)
GROUP_S = 0.003
"""From one sync to the next, at least: what comes in between shares the next one."""
SEGMENT_AGE_S = 30.0
_HOUSEKEEPING_S = 0.5
_FULL_S = 0.25

Mark = tuple[bytes, bytes]
Marks = Callable[[Sequence[Mark]], None]


class Group:
    """Records that become durable together.

    `future` gives how many of them were kept: all, or fewer when the disk was full. A record is
    kept if its index is below that.
    """

    __slots__ = ("frames", "future", "kinds", "marks")

    def __init__(self, future: asyncio.Future[int]) -> None:
        self.future = future
        self.frames: list[bytes] = []
        self.kinds: list[int] = []
        self.marks: list[tuple[int, Mark]] = []


class Journal:
    """The journal of one edge, for one event loop.

    `marks` receives, in the writing thread, what appended records ask to be remembered, once they
    are durable and before their future resolves.
    """

    def __init__(self, store: Store, limit_bytes: int, marks: Marks) -> None:
        self._store = store
        self._limit = limit_bytes
        self._marks = marks
        self._thread = ThreadPoolExecutor(1, "journal")
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._group = Group(self._loop.create_future())
        self._used = store.used_bytes()
        self._no_room_until = 0.0
        self._closing = False

    @property
    def full(self) -> bool:
        """Whether reports must be refused (law T2)."""
        return self._used >= self._limit or time.monotonic() < self._no_room_until

    @property
    def crowded(self) -> bool:
        """Whether only what is answered 2xx may still use the disk."""
        return self.full or self._used * 2 >= self._limit

    @property
    def used_bytes(self) -> int:
        """Bytes of all segments, as of the last half second."""
        return self._used

    @property
    def pending(self) -> int:
        """Records that wait for the next sync."""
        return len(self._group.frames)

    @property
    def tally(self) -> dict[str, int]:
        """Records by kind since ever, and unlogged clicks."""
        counts = {kind.name.lower(): self._store.tally.counts[kind] for kind in Kind}
        return {**counts, "unlogged": self._store.tally.unlogged}

    def append(self, kind: int, payload: bytes, mark: Mark | None = None) -> tuple[Group, int]:
        """Add a record; return its group and its index there. Durable once `group.future` says."""
        group = self._group
        index = len(group.frames)
        if index == 0:
            self._wake.set()
        group.frames.append(frame(kind, payload))
        group.kinds.append(kind)
        if mark is not None:
            group.marks.append((index, mark))
        return group, index

    def count_unlogged(self) -> None:
        """Count a click that was redirected without a record."""
        self._store.tally.unlogged += 1

    async def run(self) -> None:
        """Write groups until `close` was called and all is written."""
        last = 0.0
        tended = self._loop.time()
        while not (self._closing and not self._group.frames):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _HOUSEKEEPING_S)
            early = last + GROUP_S - self._loop.time()
            if early > 0:
                await asyncio.sleep(early)
            last = self._loop.time()
            self._wake.clear()
            if self._group.frames:
                await self._commit()
            if last - tended >= _HOUSEKEEPING_S:
                tended = last
                self._used = await self._loop.run_in_executor(self._thread, self._tend)

    def close(self) -> None:
        """Ask `run` to write what is there and return; nothing may be appended after."""
        self._closing = True
        self._wake.set()

    def release(self) -> None:
        """Close the files, after `run` has returned."""
        self._thread.submit(self._store.remember).result()
        self._thread.shutdown()
        self._store.close()

    async def _commit(self) -> None:
        group, self._group = self._group, Group(self._loop.create_future())
        kept = await self._loop.run_in_executor(self._thread, self._write, group)
        if kept < len(group.frames):
            self._no_room_until = time.monotonic() + _FULL_S
            log.error("journal_no_room", kept=kept, lost=len(group.frames) - kept)
        self._used += sum(map(len, group.frames[:kept]))
        group.future.set_result(kept)

    def _write(self, group: Group) -> int:
        try:
            kept = self._store.write(group.frames, group.kinds)
            marks = [mark for index, mark in group.marks if index < kept]
            if marks:
                self._marks(marks)
        except BaseException as error:  # noqa: BLE001 - nobody may be answered after this
            log.critical("journal_write_failed", error=repr(error))
            os._exit(70)
        return kept

    def _tend(self) -> int:
        try:
            if self._store.is_due(SEGMENT_AGE_S):
                self._store.rotate()
        except OSError as error:
            log.warning("journal_rotation_failed", error=repr(error))
        return self._store.used_bytes()
