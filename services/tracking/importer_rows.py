"""One row of history in, one event or refusal out: pure, through the builders of live traffic."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from afflux.kernel.catalog import Offer
from afflux.kernel.events import Authentication, Channel, Click, Conversion
from afflux.kernel.ids import derive, ulid
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.agents import Classifier
from services.tracking.domain.clicks import ImportedClick, build_click
from services.tracking.domain.conversions import ReportContext, build_conversion
from services.tracking.domain.instants import AHEAD_MS
from services.tracking.domain.privacy import UNKNOWN_PREFIX, ip_parts
from services.tracking.domain.refusal import Refusal
from services.tracking.importer_catalog import Index, Wanted
from services.tracking.importer_map import CLICKS, ImportMap
from services.tracking.importer_values import Row, Value

_SUBS = tuple(f"sub{number}" for number in range(1, 11))


class Keys(Struct, frozen=True):
    """Secrets of an import: visitors' and customers' hashes, addresses', click ids'."""

    visitor: bytes
    customer: bytes
    address: bytes
    clicks: Mapping[int, bytes]


class Ready(Struct, frozen=True):
    """An event with the id under which its row is remembered and the hash of what it says.

    Rows with one id are one event; of conversions a second one that says something else is refused.
    """

    row_id: Id16
    body_hash: Id16
    event: Click | Conversion


class Context(Struct, frozen=True):
    """What all rows of a run share; `edge_id` names the file in the events."""

    map: ImportMap
    keys: Keys
    edge_id: str
    tenant_id: int
    agents: Classifier


def wanted(rows: list[Row], found: ImportMap) -> Wanted:
    """Return the partners, offers and links that rows name."""
    if found.kind != CLICKS or found.partner is None or found.offer is None:
        return Wanted()
    links = {(found.partner.value.of(row), found.offer.value.of(row)) for row in rows}
    named = {(partner, offer) for partner, offer in links if partner and offer}
    return Wanted(
        tuple(sorted({partner for partner, _ in named})),
        tuple(sorted({offer for _, offer in named})),
        tuple(sorted(named)) if found.link is None else (),
    )


def build_row(
    row: Row, position: int, index: Index, now: Millis, context: Context
) -> Ready | Refusal:
    """Return the event of one row, or why there is none; `now` becomes its `recorded_at`."""
    try:
        at = context.map.time.of(row)
    except ValueError as error:
        return Refusal("field_invalid", str(error), context.map.time.column)
    if not 0 < at <= now + AHEAD_MS:
        detail = "the time is before 1970, or more than a day in the future"
        return Refusal("field_invalid", detail, context.map.time.column)
    build = _click if context.map.kind == CLICKS else _conversion
    made = build(row, at, index, now, context)
    if isinstance(made, Refusal):
        return made
    return replace(made, event=replace(made.event, journal_position=position))


def visitor_key(context: Context, visitor: str) -> Id16:
    """Return the key of a visitor: the same for clicks and conversions of one named source."""
    text = f"{context.map.name}\x00{visitor}".encode()
    return Id16(blake2b(text, digest_size=16, key=context.keys.visitor[:32]).digest())


def _click(row: Row, at: Millis, index: Index, now: Millis, context: Context) -> Ready | Refusal:
    found = context.map
    assert found.visitor is not None
    visitor = found.visitor.of(row)
    if not visitor:
        return Refusal("field_missing", "the visitor is empty", "visitor")
    link = _link(row, at, index, now, found)
    if isinstance(link, Refusal):
        return link
    row_id = _row_id(row, found)
    texts = {name: value.of(row) for name, value in found.fields.items()}
    prefix, hashed = _address(texts.get("ip", ""), context)
    made = build_click(
        ImportedClick(
            click_id=ulid(at, row_id[:10]),
            visitor_key=visitor_key(context, visitor),
            link_id=link.link_id,
            partner_id=link.partner_id,
            offer_id=link.offer.id,
            advertiser_id=link.offer.advertiser_id,
            clicked_at=at,
            recorded_at=now,
            user_agent=texts.get("user_agent", ""),
            ip_prefix=prefix,
            country=_country(texts.get("country", "")),
            source=texts.get("source") or None,
            sub=_subs(texts),
            ref_id=texts.get("ref_id") or None,
        ),
        edge_id=context.edge_id,
        tenant_id=context.tenant_id,
    )
    if isinstance(made, Refusal):
        return made
    agent = context.agents.classify(made.user_agent)
    event = replace(made, ip_hash=hashed, device=agent.device, os=agent.os, browser=agent.browser)
    return Ready(row_id, row_id, event)


class _Target(Struct, frozen=True):
    partner_id: int
    offer: Offer
    link_id: int


def _link(row: Row, at: Millis, index: Index, now: Millis, found: ImportMap) -> _Target | Refusal:
    """Return whose link the row's click followed; offers are looked up as they were then."""
    assert found.partner is not None and found.offer is not None
    partner, offer_text = found.partner.value.of(row), found.offer.value.of(row)
    partner_id = index.partners.get(partner)
    if partner_id is None:
        return Refusal("partner_unknown", f"no partner is called {partner[:80]!r}", "partner")
    offer_id = index.offers.get(offer_text)
    offer = None if offer_id is None else index.catalog.find(Offer, offer_id, at, now)
    if offer is None:
        return Refusal("offer_unknown", f"there was no offer {offer_text[:80]!r}", "offer")
    if found.link is None:
        link = index.link(partner_id, offer.id)
    else:
        link = index.link_of_code(found.link.of(row))
    if link is None:
        detail = f"partner {partner_id} has no link into offer {offer.id}; see create_links"
        return Refusal("link_unknown", detail, "link")
    if (link.partner_id, link.offer_id) != (partner_id, offer.id):
        return Refusal("field_invalid", f"link {link.code} is another partner's or offer's", "link")
    return _Target(partner_id, offer, link.id)


def _conversion(
    row: Row, at: Millis, index: Index, now: Millis, context: Context
) -> Ready | Refusal:
    found = context.map
    assert found.advertiser is not None
    text = found.advertiser.of(row)
    advertiser = index.advertisers.get(int(text)) if text.isascii() and text.isdigit() else None
    if advertiser is None:
        return Refusal("advertiser_unknown", f"there is no advertiser {text[:40]!r}", "advertiser")
    fields: dict[str, object] = {name: value.of(row) for name, value in found.fields.items()}
    fields["order_time"] = str(at)
    if found.decimal_comma and isinstance(amount := fields.get("amount"), str):
        fields["amount"] = amount.replace(".", "").replace(",", ".")
    if found.offer is not None and (offer := found.offer.value.of(row)):
        fields["offer_id"] = str(index.offers.get(offer, offer))
    visitor = _visitor(found.visitor, row)
    report = ReportContext(
        advertiser=advertiser,
        authentication=Authentication.NONE,
        channel=Channel.IMPORT,
        received_at=now,
        click_keys=context.keys.clicks,
        customer_secret=context.keys.customer,
        find_offer=lambda offer_id: index.catalog.find(Offer, offer_id, at, now),
        edge_id=context.edge_id,
        tenant_id=context.tenant_id,
    )
    key = visitor_key(context, visitor) if visitor else None
    made = build_conversion(fields, report, visitor_key=key)
    if isinstance(made, Refusal):
        return made
    return Ready(Id16(made.conversion_key), Id16(made.body_hash), made)


def _row_id(row: Row, found: ImportMap) -> Id16:
    columns = found.identity or tuple(sorted(row))
    return derive("import", found.name, found.kind, *(row[column] for column in columns))


def _visitor(value: Value | None, row: Row) -> str:
    return "" if value is None else value.of(row)


def _address(text: str, context: Context) -> tuple[str, bytes]:
    return ip_parts(text, context.keys.address) if text else (UNKNOWN_PREFIX, b"")


def _country(text: str) -> str | None:
    return text.upper() if len(text) == 2 and text.isascii() and text.isalpha() else None


def _subs(texts: Mapping[str, str]) -> tuple[str, ...]:
    subs = [texts.get(name, "") for name in _SUBS]
    while subs and not subs[-1]:
        subs.pop()
    return tuple(subs)
