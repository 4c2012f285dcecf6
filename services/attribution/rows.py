"""How the state's rows look as bytes.

| key | value |
|---|---|
| `j` bucket 4, visitor 16, ... | touches and notes: touch_rows.py |
| `c` visitor 16, conversion key 16 | a conversion that can still change, with its last decision |
| `k`, `d` conversion key 16 | what stays for ever of a conversion: see last_rows.py |
| `b`, `a`, `w` customer 16, conversion key 16 | customers' books: see customer_rows.py |
| `t` due 8, conversion key 16 | when (log time) its grace ends: visitor |
| `x` due 8, conversion key 16 | the same, of one that views matter to |
| `e` visitor 16 | nothing: the visitor was erased and its rows are gone |
| `m` | how far the inputs are known, next offsets, owner epoch |
| `mp` | next offsets of attribution.decisions by partition, as of the last checkpoint |
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from afflux.kernel.events import Conversion
from afflux.kernel.events.common import LAST_INSTANT as _LAST
from afflux.kernel.types import Millis
from services.attribution.domain.parking import Progress

META = b"m"
PUBLISHED = b"mp"
FORMAT = 2
"""Version of the rows; neither a store of another one nor a checkpoint is for this code."""
DUE, VIEWS_DUE = b"t", b"x"
LAST_INSTANT = Millis(_LAST)


class ForeignFormat(Exception):
    """The store was written by a version whose rows look otherwise."""


class Open(Struct, frozen=True, array_like=True):
    """A conversion whose decision may still come or change.

    `clicks_end`: end of the clicks partition when it was read; `read_at`: worker clock then.
    `version` and `decision_id` are the last published decision's (0 and None before the first),
    `epoch` is that of the owner who published it. `overdue`: its grace is over. `wake`: the horizon
    (an offset of the clicks partition) at which to look again, 0 for none. `known_at`: the later
    knowledge of the catalogue that a person wants it decided with, 0 for none.

    Touches count from log time `since` on, the click that the report names until `named_until`.
    `views`: impressions may earn here, so `views_end`, the end of their partition when the report
    was read, is waited for, too.
    """

    conversion: Conversion
    clicks_end: int
    read_at: Millis
    epoch: int
    version: int = 0
    decision_id: bytes | None = None
    overdue: bool = False
    wake: int = 0
    known_at: Millis = Millis(0)
    since: Millis = Millis(0)
    named_until: Millis = LAST_INSTANT
    views: bool = False
    views_end: int = 0


class Meta(Struct, frozen=True, array_like=True):
    """Where one partition stands. `clean`: the last owner left nothing published uncommitted;
    `conversions_log`: log time of the conversions partition. `cut`: touches logged before it count
    for no report that is still to be read. `form`: the format of all rows."""

    progress: Progress = Progress()
    conversions_next: int = 0
    flags_next: int = 0
    epoch: int = 0
    clean: bool = True
    conversions_log: Millis = Millis(0)
    customers_next: int = 0
    redecisions_next: int = 0
    cut: Millis = Millis(0)
    form: int = 1


_open = msgspec.msgpack.Decoder(Open)
_meta = msgspec.msgpack.Decoder(Meta)
_ends = msgspec.msgpack.Decoder(dict[int, int])
encode = msgspec.msgpack.encode


def open_prefix(visitor: bytes) -> bytes:
    """Return the family of a visitor's open conversions."""
    return b"c" + visitor


def open_key(visitor: bytes, conversion_key: bytes) -> bytes:
    """Return the key of an open conversion."""
    return b"c" + visitor + conversion_key


def known_key(conversion_key: bytes) -> bytes:
    """Return the key under which a report is known for ever."""
    return b"k" + conversion_key


def due_key(queue: bytes, due: Millis, conversion_key: bytes) -> bytes:
    """Return the key of a conversion in the order in which graces end; `queue`: DUE, VIEWS_DUE."""
    return queue + due.to_bytes(8, "big") + conversion_key


def forgotten_key(visitor: bytes) -> bytes:
    """Return the key that says that an erased visitor's rows are gone."""
    return b"e" + visitor


def split_due_key(key: bytes) -> tuple[Millis, bytes]:
    """Return when a grace ends, and of which conversion."""
    return Millis(int.from_bytes(key[1:9], "big")), key[9:]


def unpack_open(row: bytes) -> Open:
    """Return an open conversion from its row."""
    return _open.decode(row)


def unpack_meta(row: bytes | None) -> Meta:
    """Return where a partition stands; a new store stands at the beginning.

    Errors: ForeignFormat.
    """
    if row is None:
        return Meta(form=FORMAT)
    meta = _meta.decode(row)
    if meta.form != FORMAT:
        raise ForeignFormat(
            f"the state is stored in format {meta.form}, this version reads format {FORMAT}: move "
            "its folder and its checkpoints away and start again, it is rebuilt from the topics"
        )
    return meta


def unpack_ends(row: bytes | None) -> dict[int, int]:
    """Return offsets by partition, none where the row is absent."""
    return _ends.decode(row) if row else {}
