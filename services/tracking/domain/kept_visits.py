"""Clicks and views as the edge saw them, and their way into the journal's blocks and back."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.events import ClickOutcome
from services.tracking.domain import blocks
from services.tracking.domain.blocks import CLICK_TAG, VIEW_TAG, StoredClick, StoredView, block


class ClickEntry(Struct, frozen=True, gc=False):
    """A click as the edge saw it.

    `hints` are the client hints that the shipper reads the device from, beside the user agent.
    """

    click_id: bytes
    visitor_key: bytes
    visitor_is_new: bool
    link_id: int
    partner_id: int
    offer_id: int
    advertiser_id: int
    creative_id: int | None
    landing_id: int | None
    received_at: int
    ip_prefix: str
    ip_hash: bytes
    country: str | None
    asn: int | None
    user_agent: str
    hints: str | None
    language: str | None
    referrer_host: str | None
    referrer_path: str | None
    source: str | None
    sub: list[str]
    ref_id: str | None
    cost_minor: int | None
    cost_currency: str | None
    fetch_metadata: str | None
    outcome: ClickOutcome
    reason: str | None


class ImpressionEntry(Struct, frozen=True, gc=False):
    """A view as the edge saw it."""

    impression_id: bytes
    visitor_key: bytes
    visitor_is_new: bool
    link_id: int
    partner_id: int
    offer_id: int
    advertiser_id: int
    creative_id: int | None
    received_at: int
    ip_prefix: str
    ip_hash: bytes
    country: str | None
    asn: int | None
    user_agent: str
    hints: str | None
    language: str | None
    referrer_host: str | None
    referrer_path: str | None
    source: str | None
    sub: list[str]
    ref_id: str | None
    fetch_metadata: str | None
    reason: str | None


def click_bytes(entry: ClickEntry) -> bytes:
    """Return the journal record of a click."""
    link = (entry.link_id, entry.partner_id, entry.offer_id, entry.advertiser_id)
    paid = (entry.cost_minor, entry.cost_currency)
    return _encode_visit(
        CLICK_TAG,
        entry.click_id,
        entry,
        (*link, entry.creative_id, entry.landing_id),
        (*paid, entry.fetch_metadata, entry.outcome, entry.reason),
    )


def view_bytes(entry: ImpressionEntry) -> bytes:
    """Return the journal record of a view."""
    link = (entry.link_id, entry.partner_id, entry.offer_id, entry.advertiser_id)
    return _encode_visit(
        VIEW_TAG,
        entry.impression_id,
        entry,
        (*link, entry.creative_id, None),
        (entry.fetch_metadata, entry.reason),
    )


def _encode_visit(
    tag: int,
    own_id: bytes,
    entry: ClickEntry | ImpressionEntry,
    link: blocks.Link,
    end: blocks.ClickEnd | blocks.ViewEnd,
) -> bytes:
    return block(
        (
            tag,
            own_id,
            entry.visitor_key,
            entry.visitor_is_new,
            block(link),
            entry.received_at,
            entry.ip_prefix,
            entry.ip_hash,
            block((entry.country, entry.asn)),
            block((entry.user_agent, entry.hints, entry.language)),
            block((entry.referrer_host, entry.referrer_path)),
            block((entry.source, entry.sub)),
            entry.ref_id,
            block(end),
        )
    )


def stored_click(stored: StoredClick) -> ClickEntry:
    """Return the click in a journal record; raises msgspec.MsgspecError for a foreign block."""
    user_agent, hints, language = blocks.read_agent(stored.agent)
    cost_minor, cost_currency, fetch_metadata, outcome, reason = blocks.read_click_end(stored.end)
    return ClickEntry(
        stored.own_id,
        stored.visitor_key,
        stored.visitor_is_new,
        *blocks.read_link(stored.link),
        stored.received_at,
        stored.ip_prefix,
        stored.ip_hash,
        *blocks.read_where(stored.where),
        user_agent,
        hints,
        language,
        *blocks.read_page(stored.page),
        *blocks.read_said(stored.said),
        stored.ref_id,
        cost_minor,
        cost_currency,
        fetch_metadata,
        outcome,
        reason,
    )


def stored_view(stored: StoredView) -> ImpressionEntry:
    """Return the view in a journal record; raises msgspec.MsgspecError for a foreign block."""
    user_agent, hints, language = blocks.read_agent(stored.agent)
    return ImpressionEntry(
        stored.own_id,
        stored.visitor_key,
        stored.visitor_is_new,
        *blocks.read_link(stored.link)[:5],
        stored.received_at,
        stored.ip_prefix,
        stored.ip_hash,
        *blocks.read_where(stored.where),
        user_agent,
        hints,
        language,
        *blocks.read_page(stored.page),
        *blocks.read_said(stored.said),
        stored.ref_id,
        *blocks.read_view_end(stored.end),
    )
