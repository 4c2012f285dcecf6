"""When checkpoints are made: every N minutes, and when somebody asks with a file."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.checkpoints import (
    Abandoned,
    About,
    CheckpointDamaged,
    Checkpoints,
    Manifest,
)
from afflux.runtime.log import get_logger
from afflux.runtime.restoring import staging
from afflux.runtime.rocks import Rocks
from afflux.runtime.store_faults import StoreFault, told

log = get_logger(__name__)
REQUEST = "request"
"""A file of this name in a partition's folder of checkpoints asks for one at once."""
FIRST_MS = 60_000
_LOOK_EVERY_MS = 500


class Keeper:
    """Makes the checkpoints of one stage's partitions, one at a time.

    `due` and `make` are called between batches, by the owner of the stores. A failed checkpoint is
    logged and counted; the ones before stay, the stage goes on.
    """

    def __init__(self, stage: str, checkpoints: Path, minutes: float, keep: int) -> None:
        """`checkpoints`: folder with one folder a partition; `minutes` 0: only when asked."""
        self._stage = stage
        self._folder = checkpoints
        self._every_ms = int(minutes * 60_000)
        self._keep = keep
        self._next: dict[int, Millis] = {}
        self._looked = Millis(0)
        self._ended = threading.Event()
        self._worker: ThreadPoolExecutor | None = None
        self._under_way: Future[None] | None = None

    def opened(self, number: int, now: Millis) -> None:
        """Care for a partition from now on."""
        made_at = self._tell(number)
        first = now + min(self._every_ms, FIRST_MS)
        self._next[number] = Millis(max(first, made_at + self._every_ms if made_at else 0))

    def closed(self, number: int) -> None:
        """Care for a partition no more."""
        self._next.pop(number, None)

    def due(self, now: Millis) -> int | None:
        """Return the partition that wants a checkpoint now, None if none does or one is made."""
        if self._under_way is not None and not self._under_way.done():
            return None
        if now - self._looked >= _LOOK_EVERY_MS or now < self._looked:
            self._looked = now
            for number in self._next:
                if (self._folder / str(number) / REQUEST).exists():
                    return number
        if not self._every_ms:
            return None
        return next((number for number, at in self._next.items() if now >= at), None)

    def make(self, number: int, rocks: Rocks, about: About) -> None:
        """Take the state as it is now, and keep it beside the stage's work."""
        self._next[number] = Millis(about.made_at + self._every_ms)
        staged = staging(rocks.path)
        started = time.perf_counter()
        try:
            shutil.rmtree(staged, ignore_errors=True)
            rocks.checkpoint(staged)
        except (StoreFault, OSError) as error:
            self._failed(number, staged, error)
            return
        self._took("link", started)
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, f"{self._stage}-checkpoint")
        self._under_way = self._worker.submit(self._keep_one, number, staged, about)

    def end(self) -> None:
        """Give up what is under way, and wait for it."""
        self._ended.set()
        if self._worker is not None:
            self._worker.shutdown(wait=True)

    def wait(self) -> None:
        """Wait until what is under way is kept, or has failed."""
        if self._under_way is not None:
            self._under_way.result()

    def _keep_one(self, number: int, staged: Path, about: About) -> None:
        started = time.perf_counter()
        checkpoints = Checkpoints(self._folder / str(number))
        try:
            manifest = keep(checkpoints, staged, about, self._keep, self._ended.is_set)
        except Abandoned:
            return
        except Exception as error:  # noqa: BLE001 - a checkpoint less must not end the stage
            self._failed(number, staged, error)
            return
        self._took("keep", started)
        self._tell(number)
        metrics.CHECKPOINTS.labels(self._stage, "kept").inc()
        log.info("checkpoint_kept", stage=self._stage, partition=number, number=manifest.number)

    def _failed(self, number: int, staged: Path, error: Exception) -> None:
        shutil.rmtree(staged, ignore_errors=True)
        folder = self._folder / str(number)
        sentence = str(told(folder, error))
        metrics.CHECKPOINTS.labels(self._stage, "failed").inc()
        log.error("checkpoint_failed", stage=self._stage, partition=number, error=sentence)
        answer(folder, sentence)

    def _took(self, step: str, started: float) -> None:
        took = time.perf_counter() - started
        metrics.CHECKPOINT_SECONDS.labels(self._stage, step).observe(took)

    def _tell(self, number: int) -> int:
        """Set the gauges of a partition and return when its newest checkpoint was made, or 0."""
        newest = _newest(Checkpoints(self._folder / str(number)))
        made_at, size = (0, 0) if newest is None else (newest.about.made_at, newest.bytes)
        metrics.CHECKPOINT_MADE.labels(self._stage, str(number)).set(made_at / 1_000)
        metrics.CHECKPOINT_BYTES.labels(self._stage, str(number)).set(size)
        return made_at


def keep(
    checkpoints: Checkpoints, staged: Path, about: About, count: int, ended: Callable[[], bool]
) -> Manifest:
    """Keep what is staged as the newest of `count` checkpoints, and answer who asked for it."""
    manifest = checkpoints.keep(staged, about, ended)
    shutil.rmtree(staged, ignore_errors=True)
    checkpoints.prune(count)
    answer(checkpoints.folder, "")
    return manifest


def ask(folder: Path) -> None:
    """Ask the owner of a partition for a checkpoint; `folder` is that of its checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failed").unlink(missing_ok=True)
    (folder / REQUEST).touch()


def answer(folder: Path, failure: str) -> None:
    """Take the request back; say why it failed, if it did."""
    with suppress(OSError):  # a disk without room must not hide the first failure
        if failure and (folder / REQUEST).exists():
            (folder / "failed").write_text(failure)
        (folder / REQUEST).unlink(missing_ok=True)


def _newest(checkpoints: Checkpoints) -> Manifest | None:
    for number in checkpoints.numbers():
        with suppress(CheckpointDamaged):
            return checkpoints.manifest(number)
    return None
