"""A small catalogue, keys and requests for the tests of tracking."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from afflux.kernel.catalog import (
    Advertiser,
    Approval,
    Catalog,
    Entity,
    Goal,
    Landing,
    Link,
    Network,
    Offer,
    Partner,
    State,
    Terms,
)
from afflux.kernel.events import Authentication, CatalogChange, Channel, Operation
from afflux.kernel.ids import derive
from afflux.kernel.keys import click_key
from afflux.kernel.types import Millis
from services.tracking.domain.conversions import ReportContext
from services.tracking.domain.privacy import customer_secret

SECRET = b"a-secret-for-tests-of-32-bytes-or-more"
NOW = Millis(1_790_000_000_000)
SINCE_EVER = Millis(0)
CLICK_KEYS = {1: click_key(SECRET, 1)}
ADVERTISER = Advertiser(id=7, name="Shop", currency="EUR", key_ids=["k1", "k2"], allow_pixel=True)
STRICT = Advertiser(id=8, name="Strict", currency="JPY", allow_token=False)
SALE = Goal(name="sale", revenue=Terms(percent="10"))
LEAD = Goal(
    name="lead", revenue=Terms(flat_minor=500, currency="EUR"), approval=Approval.ADVERTISER
)
OFFER = Offer(
    id=70,
    advertiser_id=7,
    name="Shoes",
    landings=[Landing(id=1, url="https://shop.example/?cid={click_id}&s={sub1}&p={partner_id}")],
    goals=[SALE, LEAD],
)
SPLIT = Offer(
    id=71,
    advertiser_id=7,
    name="Split",
    landings=[
        Landing(id=1, url="https://shop.example/a?c={click_id}", weight=3),
        Landing(id=2, url="https://shop.example/b?c={click_id}", weight=1),
        Landing(id=3, url="https://shop.example/off", weight=0),
    ],
    goals=[SALE],
)
PAUSED = Offer(
    id=72,
    advertiser_id=7,
    name="Paused",
    status=State.PAUSED,
    landings=[Landing(id=1, url="https://shop.example/")],
    goals=[SALE],
)
ENTITIES: tuple[Entity, ...] = (
    Network(fallback_url="https://network.example/sorry"),
    ADVERTISER,
    STRICT,
    Partner(id=1, name="One"),
    Partner(id=2, name="Two", status=State.PAUSED),
    OFFER,
    SPLIT,
    PAUSED,
    Link(id=100, code="shoes", partner_id=1, offer_id=70),
    Link(id=101, code="split", partner_id=1, offer_id=71),
    Link(id=102, code="paused-offer", partner_id=1, offer_id=72),
    Link(id=103, code="paused-partner", partner_id=2, offer_id=70),
    Link(id=104, code="paused-link", partner_id=1, offer_id=70, status=State.PAUSED),
)


def changes(entities: Sequence[Entity] = ENTITIES, at: Millis = SINCE_EVER) -> list[CatalogChange]:
    """Return the first version of each entity as catalogue changes."""
    return [
        CatalogChange(
            event_id=derive("test-change", entity.kind, entity.entity_id),
            occurred_at=at,
            recorded_at=at,
            kind=entity.kind,
            entity_id=entity.entity_id,
            version=1,
            valid_from=Millis(0),
            operation=Operation.PUT,
            body=msgspec.json.encode(entity).decode(),
            author="test",
        )
        for entity in entities
    ]


def catalog(entities: Sequence[Entity] = ENTITIES) -> Catalog:
    """Return a catalogue that holds the entities."""
    view = Catalog()
    for change in changes(entities):
        view.apply(change)
    return view


def context(
    advertiser: Advertiser = ADVERTISER,
    channel: Channel = Channel.POSTBACK,
    first_received_at: Millis | None = None,
) -> ReportContext:
    """Return the context of a report that came in at NOW."""
    return ReportContext(
        advertiser=advertiser,
        authentication=Authentication.TOKEN,
        channel=channel,
        received_at=NOW,
        click_keys=CLICK_KEYS,
        customer_secret=customer_secret(SECRET),
        find_offer={70: OFFER, 71: SPLIT, 72: PAUSED}.get,
        edge_id="edge-t",
        first_received_at=first_received_at,
    )
