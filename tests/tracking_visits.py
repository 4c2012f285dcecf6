"""Visits, a click path and what it journals, for the tests of links."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from afflux.kernel.catalog import Entity, Goal, Landing, Link, Network, Offer, Partner, Terms
from afflux.kernel.events import Click, Impression
from afflux.kernel.types import Millis
from services.tracking.click_path import Answer, ClickPath, Visit
from services.tracking.domain.agents import UNKNOWN
from services.tracking.domain.entries import ClickEntry, ImpressionEntry, decode, to_event
from services.tracking.domain.geo import Origin
from services.tracking.domain.opt_out import OptOut
from services.tracking.domain.routes import routes_now
from services.tracking.time_zones import zones_at
from services.tracking.user_agents import UserAgents
from tests.tracking_samples import ADVERTISER, NOW, SECRET, catalog

DESKTOP = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
GERMAN, FRENCH, NOWHERE_KNOWN = "203.0.113.77:5", "198.51.100.9:5", "192.0.2.1:5"
ORIGINS: dict[str, Origin] = {"203.0.113.77": ("DE", 3320), "198.51.100.9": ("FR", None)}
SALE = Goal(name="sale", revenue=Terms(percent="10"))
AGENTS = UserAgents()


def offer(offer_id: int, name: str = "x", **fields: object) -> Offer:
    """Return an offer of advertiser 7 with one landing that says its id."""
    url = f"https://shop.example/{offer_id}?cid={{click_id}}"
    base = Offer(
        id=offer_id,
        advertiser_id=7,
        name=name,
        landings=[Landing(id=1, url=url)],
        goals=[SALE],
    )
    return msgspec.structs.replace(base, **fields)


def path(
    *entities: Entity,
    network: Network | None = None,
    opt_out: OptOut = OptOut.GPC,
    at: Millis = NOW,
) -> ClickPath:
    """Return a click path whose catalogue has partner 1, advertiser 7, and a link `oID` for each
    offer among `entities`."""
    offers = [entity for entity in entities if isinstance(entity, Offer)]
    links = [Link(id=1_000 + o.id, code=f"o{o.id}", partner_id=1, offer_id=o.id) for o in offers]
    base: Sequence[Entity] = (network or Network(), ADVERTISER, Partner(id=1, name="One"))
    clicks = ClickPath(SECRET, 1, secure_cookie=False, opt_out=opt_out, classifier=AGENTS)
    by_id = {(one.kind, one.entity_id): one for one in (*base, *links, *entities)}
    clicks.routes = routes_now(catalog(list(by_id.values())), at, zones_at(at))
    clicks.locate_with(lambda address: ORIGINS.get(address, (None, None)))
    return clicks


def visit(
    code: str = "o1",
    query: str = "",
    *,
    client: str = GERMAN,
    head: bool = False,
    at: Millis = NOW,
    **headers: str,
) -> Visit:
    """Return a visit from Germany on a Windows desktop, unless it says otherwise."""
    named = {"user-agent": DESKTOP} | {k.replace("_", "-"): v for k, v in headers.items()}
    return Visit(code, query, named, client, head, at)


def click_of(answer: Answer) -> Click:
    """Return the click that an answer journals, as the shipper makes it."""
    assert answer.payload is not None
    entry = decode(answer.payload)
    assert isinstance(entry, ClickEntry)
    agent = AGENTS.classify(entry.user_agent, entry.hints)
    event = to_event(entry, 5, "edge-t", 0, agent)
    assert isinstance(event, Click)
    return event


def view_of(answer: Answer) -> Impression:
    """Return the impression that an answer journals."""
    assert answer.payload is not None
    entry = decode(answer.payload)
    assert isinstance(entry, ImpressionEntry)
    event = to_event(entry, 5, "edge-t", 0, UNKNOWN)
    assert isinstance(event, Impression)
    return event
