"""A small store with checkpoints, and ways to damage one."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from afflux.runtime.checkpointing import keep
from afflux.runtime.checkpoints import MANIFEST, About, Checkpoints
from afflux.runtime.restoring import (
    Mark,
    prepare,
    seen,
)
from afflux.runtime.rocks import Rocks

NEXT = b"next"
Damage = Callable[[Path], None]


def offsets(rocks: Rocks) -> Mapping[str, int]:
    """What the store says it has read."""
    return {"topic": int(rocks.get(NEXT) or b"0")}


class Home:
    """A live store and its checkpoints."""

    def __init__(self, folder: Path, checkpoints: Path | None = None) -> None:
        self.live = folder / "live" / "0"
        self.checkpoints = Checkpoints((checkpoints or folder / "checkpoints") / "0")
        self.rocks: Rocks | None = None

    def open(self) -> Mark:
        """Open the furthest state."""
        mark = prepare(self.live, self.checkpoints, offsets, rows=1)
        self.rocks = Rocks(self.live)
        seen(self.live)
        return mark

    def write(self, upto: int) -> None:
        """Write rows and the next offset."""
        assert self.rocks is not None
        batch, dice = self.rocks.batch(), random.Random(upto)
        for number in range(int(self.rocks.get(NEXT) or b"0"), upto):
            batch.put(b"r" + number.to_bytes(4, "big"), dice.randbytes(100))
        batch.put(NEXT, str(upto).encode())
        self.rocks.write(batch)

    def checkpoint(self) -> int:
        """Make a checkpoint and return its number."""
        assert self.rocks is not None
        staged = self.live.with_name("staged")
        self.rocks.checkpoint(staged)
        about = About(1, dict(offsets(self.rocks)), 1, 1)
        return keep(self.checkpoints, staged, about, 2, lambda: False).number

    def count(self) -> int:
        """How many rows can be read."""
        assert self.rocks is not None
        return sum(1 for _ in self.rocks.cursor().above(b"r"))

    def close(self) -> None:
        """Close the live store."""
        assert self.rocks is not None
        self.rocks.close()
        self.rocks = None


def own_table(folder: Path) -> Path:
    """The newest of a checkpoint's tables: the one before does not have it."""
    return max(folder.glob("*.sst"))


def flipped(path: Path) -> None:
    """Flip a bit in the middle of a file, in this folder only."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(data)


def truncated(path: Path) -> None:
    """Cut a file in half, in this folder only."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


DAMAGES: dict[str, Damage] = {
    "a flipped bit": lambda folder: flipped(own_table(folder)),
    "a table cut in half": lambda folder: truncated(own_table(folder)),
    "a missing table": lambda folder: own_table(folder).unlink(),
    "another CURRENT": lambda folder: (folder / "CURRENT").write_text("MANIFEST-999999\n") and None,
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
    "half a manifest": lambda folder: truncated(folder / MANIFEST),
}
