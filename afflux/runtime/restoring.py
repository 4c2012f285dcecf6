"""Which state an owner goes on with: the live folder, a checkpoint, or the log from its beginning.

Nothing is deleted: what is not used any more is set aside under a name that says when. A folder
that was restored, or begun anew, carries a mark until its owner has seen it: what the state has
lost may have been published.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from afflux.runtime.checkpoints import (
    CheckpointDamaged,
    Checkpoints,
    Manifest,
    copy_synced,
    link_or_copy,
    sync_folder,
    write_synced,
)
from afflux.runtime.clock import now_ms
from afflux.runtime.log import get_logger
from afflux.runtime.rocks import Rocks
from afflux.runtime.store_faults import StoreDamaged

log = get_logger(__name__)
MARK = "RESTORED"
DAMAGE = "DAMAGED"

Offsets = Mapping[str, int]
Reader = Callable[[Rocks], Offsets]
"""Returns the next offsets by topic that a store holds."""


class Source(StrEnum):
    """Where a state came from."""

    LIVE = "live"
    CHECKPOINT = "checkpoint"
    LOG = "log"


class Mark(Struct, frozen=True):
    """What was put into a live folder: its source, the checkpoint's number, and for a state built
    from the log the instant (ms) from which clicks are read, None for all there are."""

    source: Source
    number: int | None = None
    since: int | None = None


def furthest(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Order checkpoints by how far they have read, the furthest first; ties by number.

    Offsets of one log only grow, so that the furthest state is the newest one, whoever made it.
    """
    return sorted(manifests, key=lambda one: (sum(one.about.offsets.values()), one.number))[::-1]


def is_behind(live: Offsets, other: Offsets) -> bool:
    """Return whether a state has read less than another one."""
    return sum(live.get(topic, 0) for topic in other) < sum(other.values())


def prepare(live: Path, checkpoints: Checkpoints, reader: Reader, rows: int) -> Mark:
    """Leave in `live` the furthest whole state there is, and say which.

    A live folder that opens and is not behind the newest checkpoint is used as it is. Else it is
    set aside, and the newest checkpoint whose every byte is as it was takes its place; a damaged
    one is set aside too. Without any, an empty folder is begun: the state is built from the log.
    `rows` is the newest format of rows that the owner reads; a checkpoint of a later one waits.
    Errors: StoreBusy, StoreFull, OSError.
    """
    for left in (_fresh(live), staging(live)):
        shutil.rmtree(left, ignore_errors=True)
    waiting = read_mark(live)
    if waiting is not None:
        return waiting
    offsets = _live_offsets(live, reader)
    for manifest in furthest(_readable(checkpoints, rows)):
        if offsets is not None and not is_behind(offsets, manifest.about.offsets):
            break
        try:
            checkpoints.verify(manifest.number)
        except CheckpointDamaged as damage:
            _damaged(checkpoints, manifest.number, damage)
            continue
        return restore(live, checkpoints, manifest)
    if offsets is not None:
        return Mark(Source.LIVE)
    return begin_anew(live)


def restore(live: Path, checkpoints: Checkpoints, manifest: Manifest) -> Mark:
    """Put a checkpoint, verified before, in the place of the live folder. Errors: OSError."""
    fresh, source = _fresh(live), checkpoints.path(manifest.number)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in manifest.files:
        bring = link_or_copy if file.name.endswith((".sst", ".blob")) else copy_synced
        bring(source / file.name, fresh / file.name)
    mark = Mark(Source.CHECKPOINT, manifest.number)
    _take_place(live, fresh, mark)
    log.warning("state_restored", path=str(live), checkpoint=str(source))
    return mark


def begin_anew(live: Path, since: int | None = None) -> Mark:
    """Put an empty folder in the place of the live one: its owner builds the state from the log."""
    fresh = _fresh(live)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    mark = Mark(Source.LOG, since=since)
    _take_place(live, fresh, mark)
    log.info("state_begun_anew", path=str(live))
    return mark


def read_mark(live: Path) -> Mark | None:
    """Return what was put into the live folder and its owner has not seen yet."""
    try:
        return msgspec.json.decode((live / MARK).read_bytes(), type=Mark)
    except FileNotFoundError:
        return None


def seen(live: Path) -> None:
    """Forget the mark: the owner has written what follows from it."""
    (live / MARK).unlink(missing_ok=True)


def mark_damaged(live: Path, detail: str) -> None:
    """Remember that the live folder cannot be read, for the next `prepare`."""
    (live / DAMAGE).write_text(detail)


@contextmanager
def marking_damage() -> Iterator[None]:
    """Let the next `prepare` know of damage that is found in use; the fault goes on."""
    try:
        yield
    except StoreDamaged as damage:
        mark_damaged(damage.path, damage.detail)
        raise


def staging(live: Path) -> Path:
    """Return where RocksDB puts a checkpoint's files first: beside the live folder."""
    return live.with_name(f".staging-{live.name}")


def _fresh(live: Path) -> Path:
    return live.with_name(f".restoring-{live.name}")


def _live_offsets(live: Path, reader: Reader) -> Offsets | None:
    """Return how far the live folder has read; None where it is missing or cannot be read."""
    if not live.is_dir() or not any(live.iterdir()):
        return None
    try:
        if (live / DAMAGE).is_file():
            raise StoreDamaged(live, (live / DAMAGE).read_text())
        if not (live / "CURRENT").is_file():
            raise StoreDamaged(live, "CURRENT is missing")
        rocks = Rocks(live)
        try:
            return reader(rocks)
        finally:
            rocks.close()
    except StoreDamaged as damage:
        log.error("state_damaged", path=str(live), detail=damage.detail)
        return None


def _readable(checkpoints: Checkpoints, rows: int) -> list[Manifest]:
    found = []
    for number in checkpoints.numbers():
        try:
            manifest = checkpoints.manifest(number)
        except CheckpointDamaged as damage:
            _damaged(checkpoints, number, damage)
            continue
        if manifest.about.rows <= rows:
            found.append(manifest)
        else:
            log.warning("checkpoint_of_a_later_version", path=str(checkpoints.path(number)))
    return found


def _damaged(checkpoints: Checkpoints, number: int, damage: CheckpointDamaged) -> None:
    aside = checkpoints.set_aside(number, "damaged")
    log.error(
        "checkpoint_damaged", path=str(damage.path), detail=damage.detail, set_aside=str(aside)
    )


def _take_place(live: Path, fresh: Path, mark: Mark) -> None:
    write_synced(fresh / MARK, msgspec.json.encode(mark))
    sync_folder(fresh)
    if live.is_dir() and any(live.iterdir()):
        aside = live.with_name(f"{live.name}.aside-{now_ms()}")
        live.rename(aside)
        log.warning("state_set_aside", path=str(aside))
    elif live.is_dir():
        live.rmdir()
    fresh.rename(live)
    sync_folder(live.parent)
