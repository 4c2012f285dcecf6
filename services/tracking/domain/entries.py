"""What the journal holds: one tagged union, compact for visits, and its way to events.

A visit is stored in blocks (see `blocks`); what can be derived later (device, browser) is left to
the shipper.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec
from msgspec import Struct

from afflux.kernel.events import (
    Adjustment,
    Click,
    Conversion,
    Event,
    Impression,
    Rejection,
)
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.agents import Agent
from services.tracking.domain.blocks import StoredClick, StoredView
from services.tracking.domain.kept_visits import (
    ClickEntry,
    ImpressionEntry,
    click_bytes,
    stored_click,
    stored_view,
    view_bytes,
)

__all__ = ["ClickEntry", "ImpressionEntry"]


class Kind(IntEnum):
    """Kinds of entries, in the order of the counts in a segment's header."""

    CLICK = 0
    CONVERSION = 1
    ADJUSTMENT = 2
    REJECTION = 3
    IMPRESSION = 4


TOPICS = {
    Kind.CLICK: Click.topic,
    Kind.CONVERSION: Conversion.topic,
    Kind.ADJUSTMENT: Adjustment.topic,
    Kind.REJECTION: Rejection.topic,
    Kind.IMPRESSION: Impression.topic,
}


class ConversionEntry(Struct, frozen=True, array_like=True, tag=1):
    """A kept report; `stem` is the hash of its body without the status, empty if it was kept
    before there were stems."""

    event: Conversion
    stem: bytes = b""


class AdjustmentEntry(Struct, frozen=True, array_like=True, tag=2):
    """A kept adjustment."""

    event: Adjustment


class RejectionEntry(Struct, frozen=True, array_like=True, tag=3):
    """A refused report."""

    event: Rejection


Entry = ClickEntry | ConversionEntry | AdjustmentEntry | RejectionEntry | ImpressionEntry
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(
    StoredClick | StoredView | ConversionEntry | AdjustmentEntry | RejectionEntry
)


def encode(entry: Entry) -> bytes:
    """Return the journal record of an entry. The edge writes visits out of blocks it has kept."""
    match entry:
        case ClickEntry():
            return click_bytes(entry)
        case ImpressionEntry():
            return view_bytes(entry)
        case _:
            return _encoder.encode(entry)


def decode(payload: bytes) -> Entry:
    """Return the entry in a journal record; raises msgspec.MsgspecError if it is none."""
    stored = _decoder.decode(payload)
    match stored:
        case StoredClick():
            return stored_click(stored)
        case StoredView():
            return stored_view(stored)
        case _:
            entry: Entry = stored
            return entry


def wrap(event: Conversion | Adjustment | Rejection) -> tuple[Kind, bytes]:
    """Return the kind and the journal payload of an event."""
    match event:
        case Conversion():
            return Kind.CONVERSION, encode(ConversionEntry(event))
        case Adjustment():
            return Kind.ADJUSTMENT, encode(AdjustmentEntry(event))
        case Rejection():
            return Kind.REJECTION, encode(RejectionEntry(event))


def to_event(entry: Entry, position: int, edge_id: str, tenant_id: int, agent: Agent) -> Event:
    """Return the event of an entry at its place in the journal; `agent` is the visitor's."""
    match entry:
        case ClickEntry():
            return _click(entry, position, edge_id, tenant_id, agent)
        case ImpressionEntry():
            return _impression(entry, position, edge_id, tenant_id, agent)
        case _:
            return msgspec.structs.replace(entry.event, journal_position=position)


def _click(entry: ClickEntry, position: int, edge_id: str, tenant_id: int, agent: Agent) -> Click:
    received_at = Millis(entry.received_at)
    return Click(
        event_id=Id16(entry.click_id),
        occurred_at=received_at,
        recorded_at=received_at,
        tenant_id=tenant_id,
        click_id=entry.click_id,
        visitor_key=entry.visitor_key,
        visitor_is_new=entry.visitor_is_new,
        link_id=entry.link_id,
        partner_id=entry.partner_id,
        offer_id=entry.offer_id,
        advertiser_id=entry.advertiser_id,
        creative_id=entry.creative_id,
        landing_id=entry.landing_id,
        ip_prefix=entry.ip_prefix,
        ip_hash=entry.ip_hash,
        country=entry.country,
        asn=entry.asn,
        user_agent=entry.user_agent,
        device=agent.device,
        os=agent.os,
        browser=agent.browser,
        language=entry.language,
        referrer_host=entry.referrer_host,
        referrer_path=entry.referrer_path,
        source=entry.source,
        sub=entry.sub,
        ref_id=entry.ref_id,
        cost_minor=entry.cost_minor,
        cost_currency=entry.cost_currency,
        fetch_metadata=entry.fetch_metadata,
        outcome=entry.outcome,
        reason=entry.reason,
        edge_id=edge_id,
        journal_position=position,
    )


def _impression(
    entry: ImpressionEntry, position: int, edge_id: str, tenant_id: int, agent: Agent
) -> Impression:
    received_at = Millis(entry.received_at)
    return Impression(
        event_id=Id16(entry.impression_id),
        occurred_at=received_at,
        recorded_at=received_at,
        tenant_id=tenant_id,
        impression_id=entry.impression_id,
        visitor_key=entry.visitor_key,
        visitor_is_new=entry.visitor_is_new,
        link_id=entry.link_id,
        partner_id=entry.partner_id,
        offer_id=entry.offer_id,
        advertiser_id=entry.advertiser_id,
        creative_id=entry.creative_id,
        ip_prefix=entry.ip_prefix,
        ip_hash=entry.ip_hash,
        country=entry.country,
        asn=entry.asn,
        user_agent=entry.user_agent,
        device=agent.device,
        os=agent.os,
        browser=agent.browser,
        language=entry.language,
        referrer_host=entry.referrer_host,
        referrer_path=entry.referrer_path,
        source=entry.source,
        sub=entry.sub,
        ref_id=entry.ref_id,
        fetch_metadata=entry.fetch_metadata,
        reason=entry.reason,
        edge_id=edge_id,
        journal_position=position,
    )
