"""Erased visitors as one file: magic, how many, CRC32, then 16 bytes each, sorted."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

MAGIC = b"AFXERAS1"
_HEAD = struct.Struct("<8sII")
_KEY = 16


class Damaged(ValueError):
    """The file is not what was written."""


def pack(keys: Iterable[bytes]) -> bytes:
    """Return the file of these 16-byte keys."""
    body = b"".join(sorted(keys))
    return _HEAD.pack(MAGIC, len(body) // _KEY, zlib.crc32(body)) + body


def unpack(data: bytes) -> set[bytes]:
    """Return the keys of a file; raises Damaged."""
    if len(data) < _HEAD.size:
        raise Damaged(f"{len(data)} bytes, the head alone has {_HEAD.size}")
    magic, count, crc = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if magic != MAGIC or len(body) != count * _KEY or zlib.crc32(body) != crc:
        raise Damaged(f"head and the {len(body)} bytes behind it do not agree")
    return {body[at : at + _KEY] for at in range(0, len(body), _KEY)}
