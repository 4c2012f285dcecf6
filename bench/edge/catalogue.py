"""The catalogue of the benchmarks: 20 offers, half of them with two landings, and 200 links."""

from __future__ import annotations

from pathlib import Path

import msgspec

from afflux.kernel.catalog import Advertiser, Entity, Goal, Landing, Link, Offer, Partner, Terms
from afflux.kernel.events import CatalogChange, Operation
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis

SECRET = "a-secret-of-the-benchmarks-of-32-bytes-or-more"
OFFERS = 20
PARTNERS = 10
CODES = [f"link{offer:02}{partner}" for offer in range(OFFERS) for partner in range(PARTNERS)]
URL = "https://shop{0}.example/{1}?cid={{click_id}}&s={{sub1}}&p={{partner_id}}&src={{source}}"


def entities() -> list[Entity]:
    """Return everything in the catalogue."""
    out: list[Entity] = [Advertiser(id=1, name="Shop", currency="EUR")]
    out += [Partner(id=1 + partner, name=f"Partner {partner}") for partner in range(PARTNERS)]
    for offer in range(OFFERS):
        out.append(
            Offer(
                id=100 + offer,
                advertiser_id=1,
                name=f"Offer {offer}",
                landings=[
                    Landing(id=number, url=URL.format(offer, f"l{number}"))
                    for number in range(1, 2 + offer % 2)
                ],
                goals=[Goal(name="sale", revenue=Terms(percent="10"))],
            )
        )
    for number, code in enumerate(CODES):
        offer, partner = divmod(number, PARTNERS)
        out.append(Link(id=1000 + number, code=code, partner_id=1 + partner, offer_id=100 + offer))
    return out


def changes() -> list[CatalogChange]:
    """Return the catalogue as its first changes."""
    return [
        CatalogChange(
            event_id=derive("bench-change", entity.kind, entity.entity_id),
            occurred_at=Millis(0),
            recorded_at=Millis(0),
            kind=entity.kind,
            entity_id=entity.entity_id,
            version=1,
            valid_from=Millis(0),
            operation=Operation.PUT,
            body=msgspec.json.encode(entity).decode(),
            author="bench",
        )
        for entity in entities()
    ]


def write_cache(home: Path, edge_id: str) -> None:
    """Leave the catalogue where an edge that starts without Kafka looks for it."""
    path = home / "cache" / f"catalog-{edge_id}.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.encode(changes()))
