"""The format of a segment file.

Header, 96 bytes: magic, sequence of the segment, position of its first record, when it was made,
how many records of each kind (and unlogged clicks) there were before it, CRC32 of all that.
Records: length u32, CRC32 u32 of the payload seeded with the kind, kind u8, payload. A record's
position is the header's plus its place: positions have no gaps by construction.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from msgspec import Struct

from services.tracking.domain.entries import Kind

MAGIC = b"AFXJRNL2"
FRAME = struct.Struct("<IIB")
MAX_PAYLOAD = 1 << 20
_HEAD = struct.Struct("<8s3Q6Q")
_CRC = struct.Struct("<I")
HEADER_SIZE = _HEAD.size + _CRC.size
_SUFFIX = ".journal"
KINDS = len(Kind)


class Header(Struct, frozen=True):
    """What a segment says of itself; `counts` by kind, `unlogged` clicks, both before it."""

    sequence: int
    first_position: int
    created_at: int
    counts: tuple[int, ...]
    unlogged: int

    def pack(self) -> bytes:
        """Return the bytes of the header."""
        head = _HEAD.pack(
            MAGIC,
            self.sequence,
            self.first_position,
            self.created_at,
            *self.counts,
            self.unlogged,
        )
        return head + _CRC.pack(crc32(head))


def unpack_header(data: bytes) -> Header | None:
    """Return the header at the start of a file, or None if it is torn or none of ours."""
    if len(data) < HEADER_SIZE:
        return None
    head = data[: _HEAD.size]
    if crc32(head) != _CRC.unpack_from(data, _HEAD.size)[0] or head[: len(MAGIC)] != MAGIC:
        return None
    _, sequence, first, created, *rest = _HEAD.unpack(head)
    return Header(sequence, first, created, tuple(rest[:KINDS]), rest[KINDS])


def frame(kind: int, payload: bytes) -> bytes:
    """Return a record as it stands in a segment."""
    return FRAME.pack(len(payload), crc32(payload, kind), kind) + payload


def segment_path(folder: Path, sequence: int) -> Path:
    """Return the file of a segment."""
    return folder / f"{sequence:012d}{_SUFFIX}"


def segments(folder: Path) -> list[Path]:
    """Return the segment files, oldest first."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
    except FileNotFoundError:
        return []


def frames(data: bytes, start: int = 0) -> Iterator[tuple[int, bytes, int]]:
    """Yield (kind, payload, end) of each whole record from `start`, up to the first bad one."""
    size = len(data)
    while start + FRAME.size <= size:
        length, crc, kind = FRAME.unpack_from(data, start)
        begin = start + FRAME.size
        end = begin + length
        if not 0 < length <= MAX_PAYLOAD or end > size or kind >= KINDS:
            return
        payload = data[begin:end]
        if crc32(payload, kind) != crc:
            return
        yield kind, payload, end
        start = end
