"""How far the shipper is: a hint on disk, that Kafka itself completes."""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
from msgspec import Struct

FILE = "shipped.json"
NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


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


def save(folder: Path, checkpoint: Checkpoint) -> bool:
    """Replace the checkpoint, whole or not at all; return False where the disk has no room.

    A full disk must not stop the shipping, which is what makes room: the older checkpoint stays,
    and after a restart Kafka itself tells what arrived since.
    """
    fresh = folder / f"{FILE}.tmp"
    try:
        fresh.write_bytes(msgspec.json.encode(checkpoint))
        fresh.replace(folder / FILE)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        if error.errno not in NO_ROOM:
            raise
        return False
    return True
