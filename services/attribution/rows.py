"""How the state's rows look as bytes.

| key | value |
|---|---|
| `j` visitor 16, click ulid 16, `c` | a click: instants, offset, ids, then maybe its tags |
| `j` visitor 16, click ulid 16, `f` | the notes of that click |
| `c` visitor 16, conversion key 16 | a conversion that can still change, with its last decision |
| `k` conversion key 16 | body hash of the first report under this key, for ever |
| `t` due 8, conversion key 16 | when (log time) its grace ends: visitor |
| `e` visitor 16 | nothing: the visitor was erased and its rows are gone |
| `m` | how far the inputs are known, next offsets, owner epoch |
| `mp` | next offsets of attribution.decisions by partition, as of the last checkpoint |
"""

from __future__ import annotations

from struct import Struct as Packing

import msgspec
from msgspec import Struct

from afflux.kernel.events import Conversion
from afflux.kernel.ids import ulid
from afflux.kernel.types import Millis
from services.attribution.domain.journey import NO_TAGS, Note, Seen, Tags
from services.attribution.domain.parking import Progress

FAMILY = 17
"""Scans happen within a kind and a visitor: the first 17 bytes of a key."""
META = b"m"
PUBLISHED = b"mp"
FORMAT = 1
"""Version of the rows; a checkpoint of another one is not for this code."""
DUE = b"t"
_CLICK = Packing(">qqqqqqqq")
_LAST = b"\xff" * 10


class Open(Struct, frozen=True, array_like=True):
    """A conversion whose decision may still come or change.

    `clicks_end`: end of the clicks partition when it was read; `read_at`: worker clock then.
    `version` and `decision_id` are the last published decision's (0 and None before the first),
    `epoch` is that of the owner who published it. `overdue`: its grace is over. `wake`: the horizon
    (an offset of the clicks partition) at which to look again, 0 for none.
    """

    conversion: Conversion
    clicks_end: int
    read_at: Millis
    epoch: int
    version: int = 0
    decision_id: bytes | None = None
    overdue: bool = False
    wake: int = 0


class Meta(Struct, frozen=True, array_like=True):
    """Where one partition stands. `clean`: the last owner left nothing published uncommitted;
    `conversions_log`: log time of the conversions partition."""

    progress: Progress = Progress()
    conversions_next: int = 0
    flags_next: int = 0
    epoch: int = 0
    clean: bool = True
    conversions_log: Millis = Millis(0)


_TAGS = b"\x00"
"""Behind the reason code, which never holds one: rows of before there were tags end there."""
_tags = msgspec.msgpack.Decoder(Tags)
_notes = msgspec.msgpack.Decoder(tuple[Note, ...])
_open = msgspec.msgpack.Decoder(Open)
_meta = msgspec.msgpack.Decoder(Meta)
_ends = msgspec.msgpack.Decoder(dict[int, int])
encode = msgspec.msgpack.encode


def journey_prefix(visitor: bytes) -> bytes:
    """Return the family of a visitor's clicks and notes."""
    return b"j" + visitor


def click_row_key(visitor: bytes, click_id: bytes) -> bytes:
    """Return the key of a click."""
    return b"j" + visitor + click_id + b"c"


def notes_row_key(visitor: bytes, click_id: bytes) -> bytes:
    """Return the key of a click's notes: right behind the click."""
    return b"j" + visitor + click_id + b"f"


def last_row_key(visitor: bytes, at: Millis) -> bytes:
    """Return a key behind every click of a visitor up to and including `at`."""
    return b"j" + visitor + ulid(at, _LAST) + b"\xff"


def split_journey_key(key: bytes) -> tuple[bytes, bool]:
    """Return the click id of a journey row and whether the row is the click itself."""
    return key[17:33], key[33:] == b"c"


def open_prefix(visitor: bytes) -> bytes:
    """Return the family of a visitor's open conversions."""
    return b"c" + visitor


def open_key(visitor: bytes, conversion_key: bytes) -> bytes:
    """Return the key of an open conversion."""
    return b"c" + visitor + conversion_key


def known_key(conversion_key: bytes) -> bytes:
    """Return the key under which a report is known for ever."""
    return b"k" + conversion_key


def due_key(due: Millis, conversion_key: bytes) -> bytes:
    """Return the key of a conversion in the order in which graces end."""
    return DUE + due.to_bytes(8, "big") + conversion_key


def forgotten_key(visitor: bytes) -> bytes:
    """Return the key that says that an erased visitor's rows are gone."""
    return b"e" + visitor


def split_due_key(key: bytes) -> tuple[Millis, bytes]:
    """Return when a grace ends, and of which conversion."""
    return Millis(int.from_bytes(key[1:9], "big")), key[9:]


def pack_click(seen: Seen) -> bytes:
    """Return a click as bytes; its id is in the key."""
    return (
        _CLICK.pack(
            seen.occurred_at,
            seen.recorded_at,
            seen.log_time,
            seen.offset,
            seen.partner_id,
            seen.offer_id,
            seen.link_id,
            seen.advertiser_id,
        )
        + (seen.no_touch or "").encode()
        + (b"" if seen.tags == NO_TAGS else _TAGS + encode(seen.tags))
    )


def unpack_click(click_id: bytes, row: bytes) -> Seen:
    """Return a click from its row."""
    occurred, recorded, logged, offset, partner, offer, link, advertiser = _CLICK.unpack_from(row)
    reason, tagged, tags = row[_CLICK.size :].partition(_TAGS)
    return Seen(
        click_id,
        occurred,
        recorded,
        logged,
        offset,
        partner,
        offer,
        link,
        advertiser,
        reason.decode() or None,
        _tags.decode(tags) if tagged else NO_TAGS,
    )


def unpack_notes(row: bytes | None) -> tuple[Note, ...]:
    """Return the notes of a row, none where it is absent."""
    return _notes.decode(row) if row else ()


def unpack_open(row: bytes) -> Open:
    """Return an open conversion from its row."""
    return _open.decode(row)


def unpack_meta(row: bytes | None) -> Meta:
    """Return where a partition stands; a new store stands at the beginning."""
    return _meta.decode(row) if row else Meta()


def unpack_ends(row: bytes | None) -> dict[int, int]:
    """Return offsets by partition, none where the row is absent."""
    return _ends.decode(row) if row else {}
