"""What stays of a conversion that nothing but a person can change any more, as bytes.

| key | value |
|---|---|
| `k` conversion key 16 | body hash 16 of the first report; once it is finished, its last word |
| `d` conversion key 16 | the knowledge of the catalogue a person wants it decided with |
"""

from __future__ import annotations

from struct import Struct as Packing

from msgspec import Struct

from afflux.kernel.types import Millis

HASH = 16
_LAST = Packing(">qq16s")


class Last(Struct, frozen=True):
    """The last published decision: its version, the epoch of who published it, its id."""

    version: int
    epoch: int
    decision_id: bytes | None


FORGOTTEN = Last(version=1 << 16, epoch=0, decision_id=None)
"""For a conversion finished by a state that did not keep its last word: a version above all that
it may have published."""


def wish_key(conversion_key: bytes) -> bytes:
    """Return the key of a person's wish to have a conversion decided again."""
    return b"d" + conversion_key


def pack_instant(at: Millis) -> bytes:
    """Return an instant as 8 bytes."""
    return at.to_bytes(8, "big")


def unpack_instant(row: bytes | None) -> Millis:
    """Return the instant of a row, 0 where it is absent."""
    return Millis(int.from_bytes(row or b"", "big"))


def pack_known(body_hash: bytes, version: int, epoch: int, decision_id: bytes) -> bytes:
    """Return the row of a finished conversion."""
    return body_hash + _LAST.pack(version, epoch, decision_id)


def unpack_last(row: bytes | None) -> Last:
    """Return the last word of a conversion from its row."""
    if row is None or len(row) != HASH + _LAST.size:
        return FORGOTTEN
    return Last(*_LAST.unpack_from(row, HASH))
