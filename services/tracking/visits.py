"""Clicks and views of the journal as Avro values, several times faster than event by event.

The bytes are those of `Codec.encode(to_event(...))`, which a property test proves; the layout is
checked against the schema when the shipper starts, so that a field that is added there has to be
added here.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from afflux.kernel.events import Click, Impression
from afflux.runtime.avro_pieces import (
    BYTES,
    LONG,
    OPTIONAL_TEXT,
    SIZES,
    TEXTS,
    Layout,
    Memo,
    counting,
    optional_text,
    texts,
)
from afflux.runtime.codec import Codec
from services.tracking.domain.agents import Agent
from services.tracking.domain.entries import ClickEntry, ImpressionEntry

Classify = Callable[[str, str | None], Agent]
"""From a user agent and client hints to what they say."""
_IDS = ("visitor_is_new", "link_id", "partner_id", "offer_id", "advertiser_id", "creative_id")
_CLICK_IDS = (*_IDS, "landing_id")
_WHERE = ("country", "asn")
_AGENT = ("user_agent", "device", "os", "browser")
_PAGE = ("language", "referrer_host", "referrer_path")
_VIEW_END = ("fetch_metadata", "reason")
_CLICK_END = ("cost_minor", "cost_currency", "fetch_metadata", "outcome", "reason")


class _Encoder:
    """Encodes entries of one kind."""

    def __init__(
        self,
        layout: Layout,
        head: bytes,
        edge_id: str,
        tenant_id: int,
        classify: Classify,
        names: tuple[str, tuple[str, ...], tuple[str, ...]],
    ) -> None:
        self._head = head
        id_name, ids, end = names
        layout.hot(BYTES, "event_id")
        layout.hot(LONG, "occurred_at", "recorded_at")
        self._tenant = layout.run("tenant_id")((tenant_id,))
        self._at, self._times = -1, b""  # many come in within one millisecond
        layout.hot(BYTES, id_name, "visitor_key")
        self._ids = Memo(layout.run(*ids))
        prefix = layout.run("ip_prefix")
        self._prefixes = Memo(lambda value: prefix((value,)))
        layout.hot(BYTES, "ip_hash")
        self._where = Memo(layout.run(*_WHERE))
        agent = layout.run(*_AGENT)

        def said(key: tuple[str, str | None]) -> bytes:
            found = classify(*key)
            return agent((key[0], found.device, found.os, found.browser))

        self._agents = Memo(said)
        self._pages = Memo(layout.run(*_PAGE))
        layout.hot(OPTIONAL_TEXT, "source")
        layout.hot(TEXTS, "sub")
        layout.hot(OPTIONAL_TEXT, "ref_id")
        ending = layout.run(*end, "edge_id")
        self._ends = Memo(lambda values: ending((*values, edge_id)))
        layout.hot(LONG, "journal_position")
        layout.done()
        self._id_of = attrgetter(id_name)
        self._ids_of = attrgetter(*ids)
        self._where_of = attrgetter(*_WHERE)
        self._agent_of = attrgetter("user_agent", "hints")
        self._page_of = attrgetter(*_PAGE)
        self._end_of = attrgetter(*end)

    def encode(self, entry: ClickEntry | ImpressionEntry, position: int) -> bytes:
        """Return the framed value of an entry at its place in the journal."""
        own_id, visitor, sizes = self._id_of(entry), entry.visitor_key, SIZES
        size, hashed, at = sizes[len(own_id)], entry.ip_hash, entry.received_at
        if at != self._at:
            self._at, came_in = at, counting(at)
            self._times = came_in + came_in + self._tenant
        sub = entry.sub
        return b"".join(
            (
                self._head,
                size,
                own_id,
                self._times,
                size,
                own_id,
                sizes[len(visitor)],
                visitor,
                self._ids[self._ids_of(entry)],
                self._prefixes[entry.ip_prefix],
                sizes[len(hashed)],
                hashed,
                self._where[self._where_of(entry)],
                self._agents[self._agent_of(entry)],
                self._pages[self._page_of(entry)],
                optional_text(entry.source),
                texts(sub) if sub else b"\x00",
                optional_text(entry.ref_id),
                self._ends[self._end_of(entry)],
                counting(position),
            )
        )


Encode = Callable[[ClickEntry | ImpressionEntry, int], bytes]


def visit_encoders(
    codec: Codec, edge_id: str, tenant_id: int, classify: Classify
) -> dict[type, Encode]:
    """Return, by type of entry, what makes its framed value.

    Errors: ValueError if the newest schemas are not those that this file knows.
    """
    kinds = (
        (ClickEntry, Click, ("click_id", _CLICK_IDS, _CLICK_END)),
        (ImpressionEntry, Impression, ("impression_id", _IDS, _VIEW_END)),
    )
    return {
        entry: _Encoder(
            Layout(codec.newest(event)), codec.frame(event), edge_id, tenant_id, classify, names
        ).encode
        for entry, event, names in kinds
    }
