"""Checkpoints of a store: numbered folders with RocksDB's files and a manifest of them.

A checkpoint is made in two steps. RocksDB first links its files into a staging folder beside the
live one, between two batches of the owner: a consistent state with its offsets. Then, while the
owner goes on, `Checkpoints.keep` brings the files to the folder of checkpoints (linked on the same
disk, else copied), writes the manifest last, and renames: a folder without a manifest, or with a
temporary name, is no checkpoint.

Every file is hashed once. Files named *.sst never change, so one that is still the same file on
disk (inode, size, instant of its last change) keeps the hash it got in the checkpoint before, and
is linked from there: a checkpoint costs the bytes that are new since the last one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import xxhash
from msgspec import Struct

FORMAT = 1
MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_IMMUTABLE = (".sst", ".blob")


class CheckpointDamaged(Exception):
    """A checkpoint cannot be trusted; the message names the file and what is wrong with it."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"checkpoint_damaged: {path}: {detail}")
        self.path = path
        self.detail = detail


class Abandoned(Exception):
    """The process ends; the checkpoint under way is given up and leaves nothing that counts."""


class File(Struct, frozen=True):
    """One file: bytes, XXH3-128 of them in hex, and which file of the live store it was."""

    name: str
    size: int
    digest: str
    inode: int = 0
    changed_ns: int = 0


class About(Struct, frozen=True):
    """What a checkpoint holds: next offsets by topic, owner epoch, version of the row format."""

    made_at: int
    offsets: Mapping[str, int]
    epoch: int
    rows: int


class Manifest(Struct, frozen=True):
    """What stands in manifest.json."""

    number: int
    about: About
    files: tuple[File, ...]
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        """Size of all files; files that checkpoints share on a disk take their room once."""
        return sum(file.size for file in self.files)


class Checkpoints:
    """The checkpoints of one store, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def numbers(self) -> list[int]:
        """Return the numbers of what stands there, the newest first; nothing is checked."""
        if not self.folder.is_dir():
            return []
        return sorted(
            (int(one.name) for one in self.folder.iterdir() if _counts(one)), reverse=True
        )

    def path(self, number: int) -> Path:
        """Return the folder of a checkpoint."""
        return self.folder / f"{number:08}"

    def manifest(self, number: int) -> Manifest:
        """Return what a checkpoint says of itself; its files are not read.

        Errors: CheckpointDamaged when the manifest is missing, unreadable, or of a later format.
        """
        path = self.path(number) / MANIFEST
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except FileNotFoundError as error:
            raise CheckpointDamaged(path, "is missing") from error
        except (OSError, msgspec.DecodeError) as error:
            raise CheckpointDamaged(path, f"cannot be read: {error}") from error
        if found.format != FORMAT:
            raise CheckpointDamaged(path, f"has format {found.format}, this version reads {FORMAT}")
        return found

    def verify(self, number: int) -> Manifest:
        """Read every byte of a checkpoint and return its manifest.

        Errors: CheckpointDamaged, naming the first file that is missing or not as it was.
        """
        manifest = self.manifest(number)
        for file in manifest.files:
            path = self.path(number) / file.name
            try:
                size = path.stat().st_size
                if size != file.size:
                    raise CheckpointDamaged(path, f"has {size} bytes, it had {file.size}")
                digest = _digest(path)
            except OSError as error:
                raise CheckpointDamaged(path, error.strerror or str(error)) from error
            if digest != file.digest:
                raise CheckpointDamaged(path, "has other bytes than it had")
        return manifest

    def keep(self, staged: Path, about: About, ended: Callable[[], bool]) -> Manifest:
        """Make a checkpoint of the files in `staged`, and return its manifest.

        May run beside the owner. Errors: OSError (the disk is full, ...), Abandoned when `ended`
        says so; then nothing that counts is left.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        newest = next(iter(self.numbers()), 0)
        number = max(newest, self._highest_aside()) + 1
        known = self._known(newest)
        fresh = self.folder / f".making-{number:08}-{os.getpid()}"
        fresh.mkdir()
        try:
            files = []
            for path in sorted(staged.iterdir()):
                files.append(_bring(path, fresh, known.get(path.name), ended))
            manifest = Manifest(number, about, tuple(files))
            write_synced(fresh / MANIFEST, msgspec.json.encode(manifest))
            sync_folder(fresh)
            fresh.rename(self.path(number))
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        sync_folder(self.folder)
        return manifest

    def prune(self, keep: int) -> list[int]:
        """Delete all but the newest `keep` checkpoints and return which."""
        gone = self.numbers()[max(1, keep) :]
        for number in gone:
            doomed = self.folder / f".deleting-{number:08}"
            self.path(number).rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        return gone

    def set_aside(self, number: int, why: str) -> Path:
        """Take a checkpoint out of the count; its bytes stay in NUMBER.`why`."""
        path = self.path(number)
        aside = path.with_name(f"{path.name}.{why}")
        if aside.exists():
            shutil.rmtree(aside)
        path.rename(aside)
        return aside

    def _known(self, newest: int) -> Mapping[str, tuple[File, Path]]:
        try:
            files = self.manifest(newest).files if newest else ()
        except CheckpointDamaged:
            return {}
        return {file.name: (file, self.path(newest) / file.name) for file in files}

    def _sweep(self) -> None:
        """Remove what a process that died left half made or half deleted."""
        for left in [*self.folder.glob(".making-*"), *self.folder.glob(".deleting-*")]:
            shutil.rmtree(left, ignore_errors=True)

    def _highest_aside(self) -> int:
        names = [one.name.partition(".") for one in self.folder.glob("[0-9]*.*")]
        return max((int(number) for number, _, _ in names if number.isdigit()), default=0)


def _counts(path: Path) -> bool:
    return path.name.isdigit() and path.is_dir()


def _bring(
    path: Path, folder: Path, known: tuple[File, Path] | None, ended: Callable[[], bool]
) -> File:
    """Put one staged file into a checkpoint's folder and return what it is."""
    if ended():
        raise Abandoned
    stat, target = path.stat(), folder / path.name
    facts = path.name, stat.st_size
    if known is not None and path.name.endswith(_IMMUTABLE):
        file, earlier = known
        same = (file.size, file.inode, file.changed_ns) == (
            stat.st_size,
            stat.st_ino,
            stat.st_mtime_ns,
        )
        if same and earlier.is_file():
            link_or_copy(earlier, target)
            return File(*facts, file.digest, stat.st_ino, stat.st_mtime_ns)
    if path.name.endswith(_IMMUTABLE):
        link_or_copy(path, target, ended)
    else:
        copy_synced(path, target, ended)
    return File(*facts, _digest(target, ended), stat.st_ino, stat.st_mtime_ns)


def link_or_copy(source: Path, target: Path, ended: Callable[[], bool] = lambda: False) -> None:
    """Link a file that never changes; copy it where the disk is another, or knows no links."""
    try:
        target.hardlink_to(source)
    except OSError:
        copy_synced(source, target, ended)


def copy_synced(source: Path, target: Path, ended: Callable[[], bool] = lambda: False) -> None:
    """Copy a file to the disk. Errors: OSError, Abandoned."""
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(_CHUNK):
            if ended():
                raise Abandoned
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())


def write_synced(path: Path, content: bytes) -> None:
    """Write a file to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path, ended: Callable[[], bool] = lambda: False) -> str:
    hashed = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if ended():
                raise Abandoned
            hashed.update(chunk)
    return hashed.hexdigest()
