"""Group commit: many requests, one fdatasync, one thread that answers them all (law T1).

Requests come from the server's thread and from the event loop. They put records into a queue and go
on; the journal's own thread takes all there are, makes them durable together, and only then tells
each of them. Nothing on the way of a click waits for a lock or for the loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from afflux.runtime.log import get_logger
from services.tracking.domain.entries import Kind
from services.tracking.journal.segment import frame
from services.tracking.journal.store import Store

log = get_logger(__name__)
GROUP_S = 0.005
"""From one sync to the next, at least: what comes in between shares the next one."""
SEGMENT_AGE_S = 30.0
_HOUSEKEEPING_S = 0.5
_FULL_S = 0.25
_LEAVE_S = 5.0

Mark = tuple[bytes, bytes]
Marks = Callable[[Sequence[Mark]], None]
Call = Callable[[], None]
Kept = asyncio.Future[bool]
Waiting = tuple[int, bytes, Mark | None, Call | Kept, Call | None]
_FUTURE = asyncio.Future


class Journal:
    """The journal of one edge; its loop is the one that makes it.

    `marks` receives, in the journal's thread, what appended records ask to be remembered, once they
    are durable and before anybody is told.
    """

    def __init__(self, store: Store, limit_bytes: int, marks: Marks) -> None:
        self._store = store
        self._limit = limit_bytes
        self._marks = marks
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Waiting] = deque()
        self._wake = threading.Event()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._used = store.used_bytes()
        self._no_room_until = 0.0
        self._unlogged = threading.Lock()
        self._closing = False
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether reports must be refused (law T2)."""
        return self._used >= self._limit or (
            self._no_room_until > 0 and time.monotonic() < self._no_room_until
        )

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
        return len(self._queue)

    @property
    def tally(self) -> dict[str, int]:
        """Records by kind since ever, and unlogged clicks."""
        counts = {kind.name.lower(): self._store.tally.counts[kind] for kind in Kind}
        return {**counts, "unlogged": self._store.tally.unlogged}

    def append(
        self, kind: int, payload: bytes, answer: Call, lost: Call, mark: Mark | None = None
    ) -> None:
        """Add a record; `answer` is called in the journal's thread once it is durable and its
        `mark` was handed on; where the disk had no room, after `lost`.

        May be called from any thread. Neither may block.
        """
        self._queue.append((kind, payload, mark, answer, lost))
        if not self._wake.is_set():
            self._wake.set()

    def keep(self, kind: int, payload: bytes, mark: Mark | None = None) -> Kept:
        """Add a record; return a future of the loop with whether it was kept: durable, or, where
        the disk had no room, without a trace."""
        kept: Kept = self._loop.create_future()
        self._queue.append((kind, payload, mark, kept, None))
        if not self._wake.is_set():
            self._wake.set()
        return kept

    def count_unlogged(self) -> None:
        """Count a click that was redirected without a record; from any thread."""
        with self._unlogged:
            self._store.tally.unlogged += 1

    async def run(self) -> None:
        """Wait until `close` was called and all is written."""
        await self._ended.wait()

    def close(self) -> None:
        """Ask the thread to write what is there and to end; nothing may be appended after."""
        self._closing = True
        self._wake.set()

    def release(self) -> None:
        """Close the files, after `run` has returned."""
        self._thread.join(_LEAVE_S)
        self._store.remember()
        self._store.close()

    def _run(self) -> None:
        try:
            self._commit_groups()
        except BaseException as error:  # noqa: BLE001 - nobody may be answered after this
            log.critical("journal_write_failed", error=repr(error))
            os._exit(70)
        self._loop.call_soon_threadsafe(self._ended.set)

    def _commit_groups(self) -> None:
        tended = time.monotonic()
        while not (self._closing and not self._queue):
            self._wake.wait(_HOUSEKEEPING_S)
            self._wake.clear()
            started = time.monotonic()
            if self._queue:
                self._commit()
            if started - tended >= _HOUSEKEEPING_S:
                tended = started
                self._tend()
            early = started + GROUP_S - time.monotonic()
            if early > 0 and not self._closing:
                time.sleep(early)

    def _commit(self) -> None:
        queue = self._queue
        group = [queue.popleft() for _ in range(len(queue))]
        frames = [frame(one[0], one[1]) for one in group]
        kept = self._store.write(frames, [one[0] for one in group])
        marks = [one[2] for one in group[:kept] if one[2] is not None]
        if marks:
            self._marks(marks)
        if kept < len(group):
            self._no_room_until = time.monotonic() + _FULL_S
            log.error("journal_no_room", kept=kept, lost=len(group) - kept)
        self._used += sum(map(len, frames[:kept]))
        self._tell(group[:kept], True)
        self._tell(group[kept:], False)

    def _tell(self, group: Sequence[Waiting], kept: bool) -> None:
        futures: list[Kept] = []
        for _, _, _, answer, lost in group:
            if isinstance(answer, _FUTURE):
                futures.append(answer)
                continue
            try:
                if not kept and lost is not None:
                    lost()
                answer()
            except Exception as error:
                log.error("answer_failed", error=repr(error), exc_info=True)
        if futures:
            self._loop.call_soon_threadsafe(_resolve, futures, kept)

    def _tend(self) -> None:
        try:
            if self._store.is_due(SEGMENT_AGE_S):
                self._store.rotate()
        except OSError as error:
            log.warning("journal_rotation_failed", error=repr(error))
        self._used = self._store.used_bytes()


def _resolve(futures: Sequence[Kept], kept: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(kept)
