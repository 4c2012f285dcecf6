"""What can go wrong with a store on disk, told from RocksDB's sentences, which have no codes."""

from __future__ import annotations

import shutil
from pathlib import Path


class StoreFault(Exception):
    """A store cannot go on; `reason` is a code of the catalogue of reasons."""

    reason = "state_failed"

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{self.reason}: {path}: {detail}")
        self.path = path
        self.detail = detail


class StoreBusy(StoreFault):
    """Another process, or another part of this one, has the store open."""

    reason = "state_busy"


class StoreDamaged(StoreFault):
    """The disk gave back other bytes than were written, or files are missing."""

    reason = "state_damaged"


class StoreFull(StoreFault):
    """The disk has no room; nothing of the batch was kept."""

    reason = "disk_full"


def told(path: Path, error: Exception) -> Exception:
    """Return the fault that an error of RocksDB means, or the error itself if it means none."""
    text = str(error)
    if "lock hold by" in text or "While lock file" in text:
        return StoreBusy(path, "another process has this state open")
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return StoreFull(path, full_sentence(path))
    if "Corruption" in text or "No such file or directory" in text:
        return StoreDamaged(path, text)
    return error


def full_sentence(path: Path) -> str:
    """Return what to say when the disk of `path` has no room."""
    there = next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))
    free = shutil.disk_usage(there).free
    return (
        f"no room on its disk ({free} bytes free). Nothing that was answered or published is lost: "
        "make room; the worker starts again by itself and goes on from its last commit"
    )
