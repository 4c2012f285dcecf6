"""How a visit (a click or a view) stands in the journal.

What is new with each visit is a field of its own. What many visits share is one field of bytes, a
block, that holds msgpack: the edge makes it once and copies it, and the shipper takes it for a key
of what it has encoded before. A block is read back with the type below, so that one of another
shape is an error and never a wrong event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from afflux.kernel.events import ClickOutcome

CLICK_TAG, VIEW_TAG = 0, 4
_encoder = msgspec.msgpack.Encoder()
block = _encoder.encode
"""From a tuple of one of the types below to its block."""

Link = tuple[int, int, int, int, int | None, int | None]
"""Link, partner, offer, advertiser, creative, landing (a view has none)."""
Where = tuple[str | None, int | None]
"""Country and network (ASN)."""
AgentBlock = tuple[str, str | None, str | None]
"""User agent, client hints, language."""
Page = tuple[str | None, str | None]
"""Host and path of the page that the visit comes from."""
Said = tuple[str | None, list[str]]
"""What the partner says: source and sub1, sub2, ..."""
ClickEnd = tuple[int | None, str | None, str | None, ClickOutcome, str | None]
"""Cost, its currency, fetch metadata, outcome, reason."""
ViewEnd = tuple[str | None, str | None]
"""Fetch metadata, reason."""

NO_PAGE, NOTHING_SAID = block((None, None)), block((None, []))


class Stored(Struct, frozen=True, array_like=True, gc=False):
    """A visit in the journal, in this order behind its tag."""

    own_id: bytes
    visitor_key: bytes
    visitor_is_new: bool
    link: bytes
    received_at: int
    ip_prefix: str
    ip_hash: bytes
    where: bytes
    agent: bytes
    page: bytes
    said: bytes
    ref_id: str | None
    end: bytes


class StoredClick(Stored, frozen=True, array_like=True, tag=CLICK_TAG, gc=False):
    """A click in the journal."""


class StoredView(Stored, frozen=True, array_like=True, tag=VIEW_TAG, gc=False):
    """A view in the journal."""


Row = tuple[
    Literal[0, 4], bytes, bytes, bool, bytes, int, str, bytes, bytes, bytes, bytes, bytes,
    str | None, bytes,
]  # fmt: skip
"""Tag and fields of a stored visit."""
read_row: Callable[[bytes], Row] = msgspec.msgpack.Decoder(Row).decode
"""Reads a stored visit in half the time that `Stored` and its attributes take."""
read_link: Callable[[bytes], Link] = msgspec.msgpack.Decoder(Link).decode
read_where: Callable[[bytes], Where] = msgspec.msgpack.Decoder(Where).decode
read_agent: Callable[[bytes], AgentBlock] = msgspec.msgpack.Decoder(AgentBlock).decode
read_page: Callable[[bytes], Page] = msgspec.msgpack.Decoder(Page).decode
read_said: Callable[[bytes], Said] = msgspec.msgpack.Decoder(Said).decode
read_click_end: Callable[[bytes], ClickEnd] = msgspec.msgpack.Decoder(ClickEnd).decode
read_view_end: Callable[[bytes], ViewEnd] = msgspec.msgpack.Decoder(ViewEnd).decode
