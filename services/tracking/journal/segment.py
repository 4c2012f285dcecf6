"""The format of a segment file.

Numbers are little-endian. Header: magic `AFXJRNL2`; u64 each: sequence of the segment, position of
its first record, when it was made (milliseconds), how many records of each of the five kinds and
how many unlogged clicks there were before it; u32 CRC32C of all that.

Records, one behind the other: u32 length of the payload, u32 CRC32C of kind and payload, u8 kind,
payload. A record's position is the header's plus its place: positions have no gaps by construction.
A record of kind HOLE is made by a repair alone: it stands for as many lost positions as its payload
(u64) says.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
from msgspec import Struct

from services.tracking.domain.entries import Kind

if google_crc32c.implementation != "c":
    raise ImportError("google-crc32c has no C extension here; without it the edge is too slow")

MAGIC = b"AFXJRNL2"
_EARLIER = frozenset((b"AFXJRNL1",))
FRAME = struct.Struct("<IIB")
MAX_PAYLOAD = 1 << 20
_HEAD = struct.Struct("<8s3Q6Q")
_CRC = struct.Struct("<I")
_COUNT = struct.Struct("<Q")
HEADER_SIZE = _HEAD.size + _CRC.size
_SUFFIX = ".journal"
KINDS = len(Kind)
HOLE = 255
_crc = google_crc32c.extend
_SEEDS = {kind: google_crc32c.value(bytes([kind])) for kind in (*Kind, HOLE)}


class JournalOutdated(RuntimeError):
    """A segment was written by another version of afflux, in a format that is not read here."""


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
        return head + _CRC.pack(google_crc32c.value(head))


def unpack_header(data: bytes) -> Header | None:
    """Return the header at the start of a file, or None if it is torn or none of ours.

    Errors: JournalOutdated for a segment of another version of the format.
    """
    magic = data[: len(MAGIC)]
    if magic in _EARLIER:
        raise JournalOutdated(
            f"a segment is of format {magic.decode()}, this version reads {MAGIC.decode()}: let "
            "the version that wrote it ship it until its lag is 0 (`afflux status`), stop it, "
            "remove its *.journal files and start this version"
        )
    if len(data) < HEADER_SIZE:
        return None
    head = data[: _HEAD.size]
    if google_crc32c.value(head) != _CRC.unpack_from(data, _HEAD.size)[0] or magic != MAGIC:
        return None
    _, sequence, first, created, *rest = _HEAD.unpack(head)
    return Header(sequence, first, created, tuple(rest[:KINDS]), rest[KINDS])


def frame(kind: int, payload: bytes) -> bytes:
    """Return a record as it stands in a segment; `payload` is not empty and within MAX_PAYLOAD."""
    return FRAME.pack(len(payload), _crc(_SEEDS[kind], payload), kind) + payload


def hole(lost: int) -> bytes:
    """Return a record that stands for `lost` positions whose records nobody can read any more."""
    return frame(HOLE, _COUNT.pack(lost))


def span(kind: int, payload: bytes) -> int:
    """Return how many positions a record takes: one, or those of a hole."""
    lost: int = _COUNT.unpack(payload)[0] if kind == HOLE else 1
    return lost


def segment_path(folder: Path, sequence: int) -> Path:
    """Return the file of a segment."""
    return folder / f"{sequence:012d}{_SUFFIX}"


def segments(folder: Path) -> list[Path]:
    """Return the segment files, oldest first."""
    try:
        found = os.listdir(folder)  # noqa: PTH208 - asked for often, and paths take their time
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(found) if name.endswith(_SUFFIX)]


def frames(data: bytes, start: int = 0) -> Iterator[tuple[int, bytes, int]]:
    """Yield (kind, payload, end) of each whole record from `start`, up to the first bad one."""
    size, head = len(data), FRAME.size
    unpack, crc_of, seeds = FRAME.unpack_from, _crc, _SEEDS
    while start + head <= size:
        length, crc, kind = unpack(data, start)
        begin = start + head
        start = begin + length
        if not 0 < length <= MAX_PAYLOAD or start > size or kind not in seeds:
            return
        payload = data[begin:start]
        if crc_of(seeds[kind], payload) != crc:
            return
        yield kind, payload, start
