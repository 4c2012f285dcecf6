"""The partitions' stores and checkpoints as a person tends them: look, checkpoint, restore."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from afflux.runtime.checkpointing import keep
from afflux.runtime.checkpoints import CheckpointDamaged, Checkpoints, Manifest
from afflux.runtime.refused import Refused
from afflux.runtime.restoring import (
    DAMAGE,
    Mark,
    begin_anew,
    furthest,
    read_mark,
    restore,
    staging,
)
from afflux.runtime.rocks import Rocks
from afflux.runtime.settings import Settings
from afflux.runtime.store_faults import StoreBusy, StoreDamaged
from services.attribution import lineage, rows
from services.attribution.opening import STAGE
from services.attribution.store import RocksTable
from services.attribution.upkeep import about

WHOLE = "whole"


class Live(Struct, frozen=True):
    """A live folder. `state`: opens, missing, restored (waits for its owner), or what is wrong;
    `rows` is RocksDB's estimate."""

    state: str
    offsets: Mapping[str, int] = {}
    epoch: int = 0
    rows: int = 0
    bytes: int = 0


class Kept(Struct, frozen=True):
    """A checkpoint. `state`: whole, not read, or what is wrong with which file."""

    number: int
    state: str
    made_at: int = 0
    offsets: Mapping[str, int] = {}
    epoch: int = 0
    bytes: int = 0


class Report(Struct, frozen=True):
    """One partition; `aside`: what was set aside and can be deleted by hand."""

    partition: int
    path: str
    live: Live
    checkpoints: list[Kept]
    aside: list[str]

    @property
    def damaged(self) -> bool:
        """Whether something of it cannot be read."""
        wrong = [one.state for one in self.checkpoints if one.state not in (WHOLE, "not read")]
        return bool(wrong) or self.live.state.startswith("state_damaged")


class Places:
    """Where the state of one partition stands."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.number = number
        self.live = settings.home / STAGE / str(number)
        self.checkpoints = Checkpoints(settings.checkpoint_root / STAGE / str(number))


def partitions(settings: Settings) -> list[int]:
    """Return the partitions that have a live folder or checkpoints here."""
    roots = [settings.home / STAGE, settings.checkpoint_root / STAGE]
    found = {one.name for root in roots if root.is_dir() for one in root.iterdir() if one.is_dir()}
    return sorted(int(name) for name in found if name.isdigit())


def look(places: Places, *, read: bool) -> Report:
    """Return how a partition is; with `read` every byte of its checkpoints is read. May run beside
    the owner."""
    numbers = places.checkpoints.numbers()
    kept = [_look_kept(places.checkpoints, number, read) for number in numbers]
    aside = [
        *places.live.parent.glob(f"{places.live.name}.aside-*"),
        *places.checkpoints.folder.glob("[0-9]*.damaged"),
        *places.checkpoints.folder.glob("[0-9]*.aside"),
    ]
    live = _look_live(places.live)
    return Report(places.number, str(places.live), live, kept, sorted(map(str, aside)))


def checkpoint(places: Places, count: int) -> Manifest:
    """Make a checkpoint of a partition that nobody owns. Errors: StoreFault, OSError, Refused."""
    if not (places.live / "CURRENT").is_file():
        raise Refused(f"partition {places.number} has no state in {places.live}")
    table = RocksTable(places.live)
    staged = staging(places.live)
    try:
        shutil.rmtree(staged, ignore_errors=True)
        table.rocks.checkpoint(staged)
        return keep(places.checkpoints, staged, about(table), count, lambda: False)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        table.close()


def put_back(places: Places, number: int | None) -> Mark:
    """Put checkpoint `number`, else the newest whole one, in the place of the live folder.

    Later checkpoints are set aside, so that nobody restores them over this one.
    Errors: Refused when there is none, it is damaged, or the partition is owned.
    """
    _nobody_owns(places)
    chosen = _chosen(places.checkpoints, number)
    for other in places.checkpoints.numbers():
        if other > chosen.number:
            places.checkpoints.set_aside(other, "aside")
    return restore(places.live, places.checkpoints, chosen)


def build_anew(places: Places, since: int | None) -> Mark:
    """Begin an empty state that its owner builds from the log, clicks from `since` (ms) on."""
    _nobody_owns(places)
    for number in places.checkpoints.numbers():
        places.checkpoints.set_aside(number, "aside")
    return begin_anew(places.live, since)


def _chosen(checkpoints: Checkpoints, number: int | None) -> Manifest:
    if number is not None and number not in checkpoints.numbers():
        raise Refused(f"there is no checkpoint {number} in {checkpoints.folder}")
    wrong: list[str] = []
    found = []
    for one in checkpoints.numbers() if number is None else [number]:
        try:
            found.append(checkpoints.manifest(one))
        except CheckpointDamaged as damage:
            wrong.append(str(damage))
    for manifest in furthest(found):
        try:
            return checkpoints.verify(manifest.number)
        except CheckpointDamaged as damage:
            wrong.append(str(damage))
    raise Refused("; ".join(wrong) or f"there is no checkpoint in {checkpoints.folder}")


def _nobody_owns(places: Places) -> None:
    """Errors: Refused when a worker has the partition open."""
    if not (places.live / "CURRENT").is_file():
        return
    try:
        Rocks(places.live).close()
    except StoreBusy as busy:
        raise Refused(f"{busy}: stop the attribution worker first (`afflux down`)") from busy
    except StoreDamaged:
        pass  # nobody can own what does not open


def _look_live(live: Path) -> Live:
    if not live.is_dir():
        return Live("missing")
    size = sum(file.stat().st_size for file in live.glob("*.sst"))
    mark = read_mark(live)
    if mark is not None:
        from_ = mark.source if mark.number is None else f"{mark.source} {mark.number}"
        return Live(f"waits for its owner, from {from_}", bytes=size)
    try:
        if (live / DAMAGE).is_file():
            raise StoreDamaged(live, (live / DAMAGE).read_text())
        if not (live / "CURRENT").is_file():
            raise StoreDamaged(live, "CURRENT is missing")
        rocks = Rocks(live, read_only=True)
    except StoreDamaged as damage:
        return Live(str(damage), bytes=size)
    try:
        table = RocksTable.over(rocks)
        epoch = lineage.meta_of(table).epoch
        return Live("opens", dict(lineage.offsets_of(table)), epoch, rocks.rows(), size)
    finally:
        rocks.close()


def _look_kept(checkpoints: Checkpoints, number: int, read: bool) -> Kept:
    try:
        manifest = checkpoints.verify(number) if read else checkpoints.manifest(number)
    except CheckpointDamaged as damage:
        return Kept(number, str(damage))
    told = manifest.about
    state = WHOLE if read else "not read"
    if told.rows > rows.FORMAT:
        state = f"rows of format {told.rows}: made by a later version"
    return Kept(number, state, told.made_at, told.offsets, told.epoch, manifest.bytes)
