"""Identifiers: every derived id is a hash of what it derives from (laws I1, I3)."""

from __future__ import annotations

from hashlib import blake2b

from afflux.kernel.types import AdvertiserId, Id16, Millis

_SIZE = 16
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Part = bytes | str | int | None


def derive(kind: str, *parts: Part) -> Id16:
    """Return the BLAKE2b-128 of `kind` and `parts`, each length-prefixed and type-tagged.

    The prefix and the tag keep ("ab", "c") apart from ("a", "bc") and 1 apart from "1".
    """
    digest = blake2b(digest_size=_SIZE, person=b"afflux-id")
    for part in (kind, *parts):
        tag, data = _encode(part)
        digest.update(tag + len(data).to_bytes(4, "big") + data)
    return Id16(digest.digest())


def _encode(part: Part) -> tuple[bytes, bytes]:
    match part:
        case None:
            return b"n", b""
        case bytes():
            return b"b", part
        case str():
            return b"s", part.encode()
        case int():
            return b"i", str(part).encode()


def conversion_key(
    advertiser_id: AdvertiserId,
    goal: str,
    transaction_id: str | None,
    click_id: Id16 | None,
) -> Id16:
    """Return what identifies a conversion for ever (law I1).

    With a transaction id: (advertiser, goal, transaction id). Without one: (click, goal), so that
    one click can reach a goal once. Raises ValueError if both are absent.
    """
    if transaction_id:
        return derive("conversion", advertiser_id, goal, transaction_id)
    if click_id is None:
        raise ValueError("a conversion needs a transaction id or a click id")
    return derive("conversion-by-click", click_id, goal)


def ulid(at: Millis, entropy: bytes) -> Id16:
    """Return a ULID: 48 bits of `at`, then 80 bits of `entropy` (10 bytes)."""
    if len(entropy) != 10:
        raise ValueError(f"a ulid takes 10 bytes of entropy, got {len(entropy)}")
    return Id16(at.to_bytes(6, "big") + entropy)


def ulid_time(value: bytes) -> Millis:
    """Return the instant inside a ULID."""
    return Millis(int.from_bytes(value[:6], "big"))


def ulid_text(value: bytes) -> str:
    """Return the 26 characters (Crockford base 32) of a 16-byte id."""
    number = int.from_bytes(value, "big")
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def parse_ulid(text: str) -> Id16:
    """Return the 16 bytes of a 26-character id; raises ValueError if it is none."""
    if len(text) != 26:
        raise ValueError(f"an id has 26 characters, got {len(text)}")
    number = 0
    for char in text.upper():
        index = _CROCKFORD.find(char)
        if index < 0:
            raise ValueError(f"{char!r} is not a character of an id")
        number = number << 5 | index
    if number >> 128:
        raise ValueError("the id is out of range")
    return Id16(number.to_bytes(_SIZE, "big"))
