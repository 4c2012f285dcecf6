"""Clicks and views of the journal as Avro values, several times faster than event by event.

The bytes are those of `Codec.encode(to_event(...))`, which a property test proves; the layout is
checked against the schema when the shipper starts, so that a field that is added there has to be
added here. A block of the journal is read and encoded when it comes up first; from then on its
bytes are the key of what it was encoded to.
"""

from __future__ import annotations

from collections.abc import Callable

from afflux.kernel.events import Click, Impression
from afflux.runtime.avro_pieces import (
    BOOLEAN,
    BYTES,
    LONG,
    MEMO_LIMIT,
    OPTIONAL_TEXT,
    SIZES,
    TEXT,
    TEXTS,
    Layout,
    Memo,
    Run,
    counting,
    long,
    optional_text,
    texts,
)
from afflux.runtime.codec import Codec
from services.tracking.domain import blocks
from services.tracking.domain.agents import Agent
from services.tracking.domain.blocks import CLICK_TAG, VIEW_TAG, Row

Classify = Callable[[str, str | None], Agent]
"""From a user agent and client hints to what they say."""
Encode = Callable[[Row, int], bytes]
"""From a stored visit and its place in the journal to its framed value."""
_IDS = ("link_id", "partner_id", "offer_id", "advertiser_id", "creative_id")
_CLICK_IDS = (*_IDS, "landing_id")
_CLICK_END = ("cost_minor", "cost_currency", "fetch_metadata", "outcome", "reason")
_VIEW_END = ("fetch_metadata", "reason")
_PAGE_LIMIT = 16_384
"""A page can take a kilobyte."""
_SAID_LIMIT = 8_192
"""Of what partners say: much of it never comes again."""
_TIMES_LIMIT = 1_024
"""Of milliseconds: many visits come in within one."""
_ID_SIZE = SIZES[16]
_SOME = [b"\x02" + size for size in SIZES]
"""Sizes of texts that are not null."""
_FLAGS = (b"\x00", b"\x01")


def _kept(read: Callable[[bytes], tuple[object, ...]], write: Run, limit: int = MEMO_LIMIT) -> Memo:
    """Return the encodings of blocks; raises msgspec.MsgspecError for a foreign one."""
    return Memo(lambda block: write(read(block)), limit)


def _said(block: bytes) -> bytes:
    source, sub = blocks.read_said(block)
    return optional_text(source) + texts(sub)


def _encoder(
    layout: Layout, head: bytes, edge_id: str, tenant_id: int, classify: Classify, is_click: bool
) -> Encode:
    """Return the encoder of one kind of visit. It takes the fields in the order of the schema."""
    layout.hot(BYTES, "event_id")
    layout.hot(LONG, "occurred_at", "recorded_at")
    tenant = layout.run("tenant_id")((tenant_id,))
    layout.hot(BYTES, "click_id" if is_click else "impression_id", "visitor_key")
    layout.hot(BOOLEAN, "visitor_is_new")
    ids = layout.run(*(_CLICK_IDS if is_click else _IDS))
    links = _kept(lambda block: blocks.read_link(block)[: 6 if is_click else 5], ids)
    layout.hot(TEXT, "ip_prefix")
    layout.hot(BYTES, "ip_hash")
    wheres = _kept(blocks.read_where, layout.run("country", "asn"))
    agent = layout.run("user_agent", "device", "os", "browser", "language")

    def said_by(block: bytes) -> bytes:
        user_agent, hints, language = blocks.read_agent(block)
        found = classify(user_agent, hints)
        return agent((user_agent, found.device, found.os, found.browser, language))

    agents = Memo(said_by)
    pages = _kept(blocks.read_page, layout.run("referrer_host", "referrer_path"), _PAGE_LIMIT)
    layout.hot(OPTIONAL_TEXT, "source")
    layout.hot(TEXTS, "sub")
    said = Memo(_said, _SAID_LIMIT)
    layout.hot(OPTIONAL_TEXT, "ref_id")
    ending = layout.run(*(_CLICK_END if is_click else _VIEW_END), "edge_id")
    read_end = blocks.read_click_end if is_click else blocks.read_view_end
    ends = Memo(lambda block: ending((*read_end(block), edge_id)))
    layout.hot(LONG, "journal_position")
    layout.done()
    times = Memo(lambda at: counting(at) * 2 + tenant + _ID_SIZE, _TIMES_LIMIT)
    return _joined(head + _ID_SIZE, (times, links, wheres, agents, pages, said, ends))


def _joined(head: bytes, memos: tuple[Memo, Memo, Memo, Memo, Memo, Memo, Memo]) -> Encode:
    """Return what joins the pieces of a visit; `head` and times end with the size of an id."""
    times, links, wheres, agents, pages, said, ends = memos
    sizes, some, id_size, flags, join = SIZES, _SOME, _ID_SIZE, _FLAGS, b"".join

    def encode(row: Row, position: int) -> bytes:
        _, own, visitor, is_new, link, at, prefix, hashed, where, agent, page, says, ref, end = row
        if len(own) != 16 or len(visitor) != 16:
            raise ValueError(f"the visit at {position} has an id that is not of 16 bytes")
        size = len(network := prefix.encode())
        given, given_size = b"", b"\x00"  # null
        if ref is not None:
            given = ref.encode()
            given_size = some[len(given)] if len(given) < 4_096 else b"\x02" + long(len(given))
        return join(
            (
                head,
                own,
                times[at],
                own,
                id_size,
                visitor,
                flags[is_new],
                links[link],
                sizes[size] if size < 4_096 else long(size),
                network,
                sizes[len(hashed)],
                hashed,
                wheres[where],
                agents[agent],
                pages[page],
                said[says],
                given_size,
                given,
                ends[end],
                counting(position),
            )
        )

    return encode


def visit_encoders(
    codec: Codec, edge_id: str, tenant_id: int, classify: Classify
) -> dict[int, Encode]:
    """Return, by tag of a stored visit, what makes its framed value.

    Errors: ValueError if the newest schemas are not those that this file knows. What is returned
    raises msgspec.MsgspecError for a visit with a block that is none, ValueError for a short id.
    """
    return {
        tag: _encoder(
            Layout(codec.newest(event)), codec.frame(event), edge_id, tenant_id, classify, is_click
        )
        for tag, event, is_click in ((CLICK_TAG, Click, True), (VIEW_TAG, Impression, False))
    }
