"""What the journal holds: one tagged union, compact for clicks, and its way to events.

A click entry has positional fields, so that writing one costs about a microsecond; what can be
derived later (device, browser) is left to the shipper.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec
from msgspec import Struct

from afflux.kernel.events import (
    Adjustment,
    Click,
    ClickOutcome,
    Conversion,
    Event,
    Impression,
    Rejection,
)
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.agents import Agent


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


class ClickEntry(Struct, frozen=True, array_like=True, tag=0, gc=False):
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


class ImpressionEntry(Struct, frozen=True, array_like=True, tag=4):
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


class ConversionEntry(Struct, frozen=True, array_like=True, tag=1):
    """A kept report."""

    event: Conversion


class AdjustmentEntry(Struct, frozen=True, array_like=True, tag=2):
    """A kept adjustment."""

    event: Adjustment


class RejectionEntry(Struct, frozen=True, array_like=True, tag=3):
    """A refused report."""

    event: Rejection


Entry = ClickEntry | ConversionEntry | AdjustmentEntry | RejectionEntry | ImpressionEntry
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)
encode = _encoder.encode


def decode(payload: bytes) -> Entry:
    """Return the entry in a journal record; raises msgspec.MsgspecError if it is none."""
    entry: Entry = _decoder.decode(payload)
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
