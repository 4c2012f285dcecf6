"""How far the shipper is: a hint on disk, that Kafka itself completes."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

FILE = "shipped.json"


class Checkpoint(Struct):
    """All records up to `position` are acked; `offsets` are the ends of what was acked, by
    `topic/partition`: whatever of ours arrived later stands at or behind them."""

    position: int = -1
    offsets: dict[str, int] = {}


def load(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a journal, or None."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Checkpoint)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint, whole or not at all."""
    fresh = folder / f"{FILE}.tmp"
    fresh.write_bytes(msgspec.json.encode(checkpoint))
    fresh.replace(folder / FILE)
