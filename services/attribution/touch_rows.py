"""How touches and their notes look as bytes.

Touches stand in buckets of log time, each of which the store can drop at once, without a scan.
Within a bucket they stand by visitor, time and id:

| key | value |
|---|---|
| visitor 16, ulid 16, `c` or `i`, turned offset 8 | a click or a view: numbers, then a tail |
| visitor 16, ulid 16, `f` | the notes of that click |

The offset stands in the key, so that writing a touch needs no look at what is there: a repeat in
the log is another row, a batch that is read again writes equal rows, and a reader takes the lowest
offset of an id. It is turned (2^64-1 - offset) so that a walk against key order meets it first.

The tail holds why the touch can earn nothing and the tags, as texts with SEPARATOR between them; a
text that this could not give back goes as msgpack behind PACKED.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct as Packing

import msgspec

from afflux.kernel.ids import ulid
from afflux.kernel.types import Millis
from services.attribution.domain.journey import NO_TAGS, Note, Seen, Tags

BUCKET_MS = 30 * 86_400_000
JOURNEY = b"j"[0]
HEAD = 5
"""A journey key begins with `j` and the number of its bucket: 5 bytes that the store may strip."""
VISITOR = 16
CLICK, IMPRESSION, NOTES = b"c", b"i", b"f"
KINDS = {CLICK: "click", IMPRESSION: "impression"}
SEPARATOR, PACKED = "\x1f", b"\x00"
TURNED = 2**64 - 1
_LETTERS = {name: letter for letter, name in KINDS.items()}
_NUMBERS = Packing(">7q")
_OFFSET = Packing(">Q")
_ID = slice(HEAD + VISITOR, HEAD + VISITOR + 16)
_LETTER = HEAD + VISITOR + 16
_texts = msgspec.msgpack.Decoder(tuple[str | None, ...])
_notes = msgspec.msgpack.Decoder(tuple[Note, ...])
_encode = msgspec.msgpack.encode


def bucket_of(log_time: Millis) -> int:
    """Return the bucket of what has this log time. As log time never falls, new buckets rise."""
    return log_time // BUCKET_MS


def bucket_head(bucket: int) -> bytes:
    """Return what all keys of a bucket begin with."""
    return b"j" + bucket.to_bytes(4, "big")


def bucket_in(key: bytes) -> int:
    """Return the bucket of a key."""
    return int.from_bytes(key[1:HEAD], "big")


def journey_prefix(bucket: int, visitor: bytes) -> bytes:
    """Return the family of a visitor's rows in a bucket."""
    return bucket_head(bucket) + visitor


def touch_key(visitor: bytes, seen: Seen) -> bytes:
    """Return the key of a touch."""
    turned = _OFFSET.pack(TURNED - seen.offset)
    family = journey_prefix(bucket_of(seen.log_time), visitor)
    return family + seen.click_id + _LETTERS[seen.kind] + turned


def notes_key(bucket: int, visitor: bytes, click_id: bytes) -> bytes:
    """Return the key of a click's notes: right behind the click."""
    return journey_prefix(bucket, visitor) + click_id + NOTES


def last_key(bucket: int, visitor: bytes, at: Millis) -> bytes:
    """Return a key behind every row of a visitor whose id is of `at` or before."""
    return journey_prefix(bucket, visitor) + ulid(at, b"\xff" * 10) + b"\xff"


def id_and_letter(key: bytes) -> tuple[bytes, bytes]:
    """Return the touch's id in a key, and whether it is of a click, an impression or notes."""
    return key[_ID], key[_LETTER : _LETTER + 1]


def pack(seen: Seen) -> bytes:
    """Return a touch as bytes; its id, kind and offset are in the key."""
    return _NUMBERS.pack(
        seen.occurred_at,
        seen.recorded_at,
        seen.log_time,
        seen.partner_id,
        seen.offer_id,
        seen.link_id,
        seen.advertiser_id,
    ) + pack_tail(seen.no_touch, seen.tags)


def unpack(key: bytes, row: bytes) -> Seen:
    """Return a touch from its row."""
    occurred, recorded, logged, partner, offer, link, advertiser = _NUMBERS.unpack_from(row)
    no_touch, tags = _unpack_tail(row[_NUMBERS.size :])
    return Seen(
        key[_ID],
        occurred,
        recorded,
        logged,
        TURNED - _OFFSET.unpack_from(key, _LETTER + 1)[0],
        partner,
        offer,
        link,
        advertiser,
        no_touch,
        tags,
        KINDS[key[_LETTER : _LETTER + 1]],
    )


def pack_tail(no_touch: str | None, tags: Tags) -> bytes:
    """Return the texts behind the numbers; nothing where there are none."""
    texts = (no_touch, tags.country, tags.device, tags.source, tags.ref_id, *tags.sub)
    if "" in texts[:5] or texts[-1] == "" or any(_unsafe(text) for text in texts if text):
        return PACKED + _encode(texts)
    return SEPARATOR.join(text or "" for text in texts).rstrip(SEPARATOR).encode()


def _unpack_tail(tail: bytes) -> tuple[str | None, Tags]:
    if not tail:
        return None, NO_TAGS
    if tail[:1] == PACKED:
        no_touch, country, device, source, ref_id, *sub = _texts.decode(tail[1:])
        return no_touch, Tags(ref_id, source, tuple(text or "" for text in sub), country, device)
    texts = tail.decode().split(SEPARATOR)
    head: list[str | None] = [text or None for text in texts[:5]]
    no_touch, country, device, source, ref_id = head + [None] * (5 - len(head))
    return no_touch, Tags(ref_id, source, tuple(texts[5:]), country, device)


def _unsafe(text: str) -> bool:
    return "\x00" in text or SEPARATOR in text


def pack_notes(notes: Sequence[Note]) -> bytes:
    """Return notes as bytes."""
    return _encode(tuple(notes))


def unpack_notes(row: bytes | None) -> tuple[Note, ...]:
    """Return the notes of a row, none where it is absent."""
    return _notes.decode(row) if row else ()
