"""The catalogue, prepared for clicks: one dictionary lookup a click."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

from msgspec import Struct

from afflux.kernel.catalog import Advertiser, Catalog, Landing, Link, Network, Offer, Partner, State
from afflux.kernel.macros import Template, compile_template
from afflux.kernel.token import token_tail
from afflux.kernel.types import Millis

Expander = Callable[[str, Mapping[str, str]], str]
_CHUNK = 200


class Target(Struct, frozen=True):
    """A landing for one link: `upto` is the running sum of weights; `expand` takes the click id
    and the partner's parameters."""

    landing_id: int
    upto: int
    expand: Expander


class Route(Struct, frozen=True):
    """Where a link leads, or, with a reason, why it leads nowhere; `tail` ends its click ids."""

    link_id: int
    partner_id: int
    offer_id: int
    advertiser_id: int
    targets: tuple[Target, ...]
    total: int
    reason: str | None
    tail: bytes

    def target(self, visitor_key: bytes) -> Target:
        """Return the landing of a visitor, by weight: the same visitor gets the same one."""
        if len(self.targets) == 1:
            return self.targets[0]
        spread = int.from_bytes(visitor_key[:8], "big") + self.offer_id * 0x9E3779B97F4A7C15
        point = (spread & 0xFFFFFFFFFFFFFFFF) * self.total >> 64
        return next(target for target in self.targets if point < target.upto)


class Routes(Struct, frozen=True):
    """What the edge needs of the catalogue at one instant."""

    by_code: dict[str, Route]
    advertisers: dict[int, Advertiser]
    offers: dict[int, Offer]
    fallback_url: str | None
    revision: int


EMPTY = Routes({}, {}, {}, None, -1)


def build_routes(catalog: Catalog, at: Millis) -> Generator[None, None, Routes]:
    """Return the routes at an instant; yields now and then so that a loop can do other things."""
    revision = catalog.revision
    partners = {entity.id: entity for entity, _ in catalog.all(Partner, at, at)}
    yield
    advertisers = {entity.id: entity for entity, _ in catalog.all(Advertiser, at, at)}
    offers = {entity.id: entity for entity, _ in catalog.all(Offer, at, at)}
    yield
    landings = {offer_id: _landings(offer) for offer_id, offer in offers.items()}
    by_code: dict[str, Route] = {}
    for number, (link, _) in enumerate(catalog.all(Link, at, at)):
        offer = offers.get(link.offer_id)
        if offer is not None:
            advertiser = advertisers.get(offer.advertiser_id)
            reason = _reason(link, offer, partners.get(link.partner_id), advertiser)
            by_code[link.code] = _route(link, offer, landings[offer.id], reason)
        if number % _CHUNK == 0:
            yield
    network = catalog.find(Network, "0", at, at)
    fallback = _fallback(network.fallback_url if network else None)
    return Routes(by_code, advertisers, offers, fallback, revision)


def routes_now(catalog: Catalog, at: Millis) -> Routes:
    """Return the routes at an instant in one go."""
    steps = build_routes(catalog, at)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            routes: Routes = done.value
            return routes


def _route(
    link: Link, offer: Offer, landings: Sequence[tuple[Landing, Template]], reason: str | None
) -> Route:
    targets = _targets(link, offer, landings)
    if reason is None and not targets:
        reason = "offer_paused"  # nothing to show is as good as paused
    return Route(
        link.id,
        link.partner_id,
        offer.id,
        offer.advertiser_id,
        targets,
        targets[-1].upto if targets else 0,
        reason,
        token_tail(offer.id, offer.advertiser_id, link.partner_id, link.id),
    )


def _reason(
    link: Link, offer: Offer, partner: Partner | None, advertiser: Advertiser | None
) -> str | None:
    if link.status is not State.ACTIVE:
        return "link_paused"
    if offer.status is not State.ACTIVE:
        return "offer_paused"
    if partner is None or partner.status is not State.ACTIVE:
        return "partner_paused"
    if advertiser is None or advertiser.status is not State.ACTIVE:
        return "advertiser_paused"
    return None


def _landings(offer: Offer) -> list[tuple[Landing, Template]]:
    """Leave out what `catalog apply` would have refused: a bad URL never becomes a redirect."""
    out: list[tuple[Landing, Template]] = []
    for landing in offer.landings:
        try:
            template = compile_template(landing.url)
        except ValueError:
            continue
        if landing.weight > 0:
            out.append((landing, template))
    return out


def _targets(
    link: Link, offer: Offer, landings: Sequence[tuple[Landing, Template]]
) -> tuple[Target, ...]:
    """Put in what is the same for every click on the link, so that a click does less."""
    ids = {
        "partner_id": str(link.partner_id),
        "offer_id": str(offer.id),
        "advertiser_id": str(offer.advertiser_id),
        "link_id": str(link.id),
    }
    out: list[Target] = []
    upto = 0
    for landing, template in landings:
        upto += landing.weight
        bound = template.bind({**ids, "landing_id": str(landing.id)})
        out.append(Target(landing.id, upto, bound.expander()))
    return tuple(out)


def _fallback(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        return compile_template(url).render({})
    except ValueError:
        return None
