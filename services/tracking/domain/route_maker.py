"""Makes routes out of the catalogue's entities of one instant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from afflux.kernel.catalog import Advertiser, Link, Network, Offer, OfferGroup, Partner, State
from afflux.kernel.macros import MacroError, Template, compile_template, macro_params
from afflux.kernel.token import token_tail
from services.tracking.domain.blocks import block
from services.tracking.domain.caps import compile_caps
from services.tracking.domain.deep_links import DeepLinks, Hosts, compile_deep_links, compile_hosts
from services.tracking.domain.route import Route, Target, make_target
from services.tracking.domain.targeting import Rules, compile_rules, partner_refusal
from services.tracking.domain.zones import ZoneRules, Zones

NO_LINK = 0
"""The link id of a click by offer and partner where the partner has no link to the offer."""
_NO_HOSTS = Hosts(frozenset(), ())


class RouteMaker:
    """What all links share, compiled once: landings, rules, allow-lists, fallbacks."""

    def __init__(
        self,
        network: Network,
        advertisers: Mapping[int, Advertiser],
        partners: Mapping[int, Partner],
        groups: Mapping[str, OfferGroup],
        offers: Mapping[int, Offer],
        zones: Zones,
    ) -> None:
        self._network = network
        self._advertisers = advertisers
        self._partners = partners
        self._groups = groups
        self._offers = offers
        self._zones = zones
        self._landings = {offer_id: _landings(offer) for offer_id, offer in offers.items()}
        self._hosts = {one.id: compile_hosts(one.hosts) for one in advertisers.values()}
        self._deep = {offer_id: self._deep_links(offer) for offer_id, offer in offers.items()}
        self._templates: dict[str, Template | None] = {}
        self._rules: dict[int, Rules | None] = {
            offer_id: compile_rules(offer.targeting, self._zone(offer))
            for offer_id, offer in offers.items()
        }

    def route(self, link: Link) -> Route | None:
        """Return the route of a link with its fallbacks; None where its offer does not exist."""
        offer = self._offers.get(link.offer_id)
        if offer is None:
            return None
        return self._route(link, offer, tuple(self._fallbacks(link, offer)))

    def direct(self, offer_id: int, partner_id: int) -> Route | None:
        """Return the route of a partner that has no link to an offer; None where there is none."""
        if offer_id not in self._offers or partner_id not in self._partners:
            return None
        return self.route(Link(id=NO_LINK, code="", partner_id=partner_id, offer_id=offer_id))

    def _route(self, link: Link, offer: Offer, fallbacks: tuple[Target | Route, ...]) -> Route:
        ids = _ids(link, offer)
        own = (link.id, link.partner_id, offer.id, offer.advertiser_id, link.creative_id)
        targets = tuple(_targets(self._landings[offer.id], ids, own))
        reason = self._reason(link, offer)
        if reason is None and not targets:
            reason = "offer_paused"  # nothing to show is as good as paused
        rules = self._rules[offer.id]
        caps = compile_caps(offer.click_caps, offer.id, link.partner_id, self._zone(offer))
        return Route(
            link.id,
            link.partner_id,
            offer.id,
            offer.advertiser_id,
            targets,
            targets[-1].upto if targets else 0,
            reason,
            token_tail(offer.id, offer.advertiser_id, link.partner_id, link.id),
            block((*own, None)),
            link.creative_id,
            rules,
            caps,
            self._deep[offer.id],
            fallbacks,
            reason is None and rules is None and caps is None,
        )

    def _reason(self, link: Link, offer: Offer) -> str | None:
        if link.status is not State.ACTIVE:
            return "link_paused"
        if offer.status is not State.ACTIVE:
            return "offer_paused"
        partner = self._partners.get(link.partner_id)
        if partner is None or partner.status is not State.ACTIVE:
            return "partner_paused"
        advertiser = self._advertisers.get(offer.advertiser_id)
        if advertiser is None or advertiser.status is not State.ACTIVE:
            return "advertiser_paused"
        return partner_refusal(offer.targeting, partner.id)

    def _fallbacks(self, link: Link, offer: Offer) -> Iterator[Target | Route]:
        """Yield offer, group, network. A fallback offer brings no fallbacks of its own: a chain has
        an end, whatever the offers say of each other."""
        ids = _ids(link, offer)
        group = None if offer.group is None else self._groups.get(offer.group)
        tried = {offer.id}
        for place in (offer, group):
            if place is None:
                continue
            other = self._offers.get(place.fallback_offer_id or 0)
            if other is not None and other.id not in tried:
                tried.add(other.id)
                route = self._route(link, other, ())
                if route.reason is None:
                    yield route
            yield from self._url(place.fallback_url, ids)
        yield from self._url(self._network.fallback_url, ids)

    def _url(self, url: str | None, ids: Mapping[str, str]) -> Iterator[Target]:
        if url is None:
            return
        if url not in self._templates:
            self._templates[url] = _template(url)
        template = self._templates[url]
        if template is not None:
            yield make_target(None, 0, template.bind(ids))

    def _deep_links(self, offer: Offer) -> DeepLinks | None:
        landings = self._landings[offer.id]
        params = offer.deep_link_params
        if params is None:
            params = macro_params(landings[0][2].url) if landings else ""
        hosts = self._hosts.get(offer.advertiser_id, _NO_HOSTS)
        try:
            return compile_deep_links(hosts, params)
        except MacroError:
            return None  # what `catalog apply` would have refused leads nowhere

    def _zone(self, offer: Offer) -> ZoneRules:
        return self._zones(offer.time_zone or self._network.time_zone)


def _landings(offer: Offer) -> list[tuple[int, int, Template]]:
    """Leave out what `catalog apply` would have refused: a bad URL never becomes a redirect."""
    out: list[tuple[int, int, Template]] = []
    for landing in offer.landings:
        template = _template(landing.url)
        if template is not None and landing.weight > 0:
            out.append((landing.id, landing.weight, template))
    return out


def _ids(link: Link, offer: Offer) -> dict[str, str]:
    return {
        "partner_id": str(link.partner_id),
        "offer_id": str(offer.id),
        "advertiser_id": str(offer.advertiser_id),
        "link_id": str(link.id),
    }


def _targets(
    landings: Sequence[tuple[int, int, Template]],
    ids: Mapping[str, str],
    own: tuple[int, int, int, int, int | None],
) -> Iterator[Target]:
    """Put in what is the same for every click on the link, so that a click does less."""
    upto = 0
    for landing_id, weight, template in landings:
        upto += weight
        bound = template.bind({**ids, "landing_id": str(landing_id)})
        yield make_target(landing_id, upto, bound, block((*own, landing_id)))


def _template(url: str) -> Template | None:
    try:
        return compile_template(url)
    except MacroError:
        return None
