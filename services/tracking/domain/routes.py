"""The catalogue, prepared for clicks: one dictionary lookup a click."""

from __future__ import annotations

from collections.abc import Generator

from msgspec import Struct

from afflux.kernel.catalog import Advertiser, Catalog, Link, Network, Offer, OfferGroup, Partner
from afflux.kernel.macros import MacroError, compile_template
from afflux.kernel.types import Millis
from services.tracking.domain.route import Route
from services.tracking.domain.route_maker import RouteMaker
from services.tracking.domain.zones import UTC, ZoneRules, Zones

_CHUNK = 200
_MAX_DIRECT = 50_000


class Pairs:
    """Routes by offer and partner: the partner's link to the offer, or none."""

    def __init__(self, maker: RouteMaker | None = None) -> None:
        self._maker = maker
        self._by_pair: dict[tuple[int, int], Route] = {}
        self._direct: dict[tuple[int, int], Route | None] = {}

    def add(self, route: Route) -> None:
        """Take a link's route; of several an active one counts, then the one with the lowest id."""
        pair = (route.offer_id, route.partner_id)
        known = self._by_pair.get(pair)
        if known is None or _rank(route) < _rank(known):
            self._by_pair[pair] = route

    def find(self, offer_id: int, partner_id: int) -> Route | None:
        """Return the route of a pair, made when it is first asked for where no link has it; None
        where offer or partner do not exist."""
        pair = (offer_id, partner_id)
        route = self._by_pair.get(pair) or self._direct.get(pair)
        if route is None and self._maker is not None:
            route = self._maker.direct(offer_id, partner_id)
            if route is not None:
                if len(self._direct) >= _MAX_DIRECT:
                    self._direct.clear()
                self._direct[pair] = route
        return route


class Routes(Struct, frozen=True):
    """What the edge needs of the catalogue at one instant."""

    by_code: dict[str, Route]
    advertisers: dict[int, Advertiser]
    offers: dict[int, Offer]
    fallback_url: str | None
    revision: int
    pairs: Pairs = Pairs()
    currency: str = "EUR"


EMPTY = Routes({}, {}, {}, None, -1)


def build_routes(catalog: Catalog, at: Millis, zones: Zones) -> Generator[None, None, Routes]:
    """Return the routes at an instant; yields now and then so that a loop can do other things."""
    revision = catalog.revision
    network = catalog.find(Network, "0", at, at) or Network()
    partners = {entity.id: entity for entity, _ in catalog.all(Partner, at, at)}
    yield
    advertisers = {entity.id: entity for entity, _ in catalog.all(Advertiser, at, at)}
    groups = {entity.id: entity for entity, _ in catalog.all(OfferGroup, at, at)}
    offers = {entity.id: entity for entity, _ in catalog.all(Offer, at, at)}
    yield
    maker = RouteMaker(network, advertisers, partners, groups, offers, zones)
    pairs = Pairs(maker)
    by_code: dict[str, Route] = {}
    for number, (link, _) in enumerate(catalog.all(Link, at, at)):
        route = maker.route(link)
        if route is not None:
            by_code[link.code] = route
            pairs.add(route)
        if number % _CHUNK == 0:
            yield
    fallback = _plain(network.fallback_url)
    return Routes(by_code, advertisers, offers, fallback, revision, pairs, network.currency)


def routes_now(catalog: Catalog, at: Millis, zones: Zones | None = None) -> Routes:
    """Return the routes at an instant in one go; without `zones` all clocks show UTC."""
    steps = build_routes(catalog, at, zones or _utc)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            routes: Routes = done.value
            return routes


def _rank(route: Route) -> tuple[bool, int]:
    return route.reason is not None, route.link_id


def _plain(url: str | None) -> str | None:
    """Return a URL with empty macros, for requests that belong to no link."""
    if url is None:
        return None
    try:
        return compile_template(url).render({})
    except MacroError:
        return None


def _utc(_name: str) -> ZoneRules:
    return UTC
