"""One link, prepared for clicks: everything that can be known before a visit is decided here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from afflux.kernel.macros import AT_THE_CLICK, Template
from services.tracking.domain.blocks import block
from services.tracking.domain.caps import Caps
from services.tracking.domain.deep_links import DeepLinks
from services.tracking.domain.targeting import Rules

Expander = Callable[[str, Mapping[str, str]], str]
NOTHING: frozenset[str] = frozenset()


class Target(Struct, frozen=True):
    """A URL to lead to: a landing (`upto` is the running sum of weights), or a fallback (without
    landing). `expand` takes the click id and the values of macros; `needs` are those of the
    `AT_THE_CLICK` macros that stand in the URL. `block` is the link's block in the journal for a
    landing, made once; a URL that many links fall back to has none."""

    landing_id: int | None
    upto: int
    expand: Expander
    needs: frozenset[str] = NOTHING
    block: bytes | None = None


class Route(Struct, frozen=True):
    """Where a link leads, or, with a reason, why it leads nowhere; `tail` ends its click ids.

    `rules`, `caps` and `deep` are None where the offer has none, so that it costs a click nothing.
    `is_plain`: it takes every visit, without rules or caps. `fallbacks` are tried in order when the
    visit is refused: a route is another offer, a target a URL. `block` is the link's block in the
    journal where no landing is shown.
    """

    link_id: int
    partner_id: int
    offer_id: int
    advertiser_id: int
    targets: tuple[Target, ...]
    total: int
    reason: str | None
    tail: bytes
    block: bytes
    creative_id: int | None = None
    rules: Rules | None = None
    caps: Caps | None = None
    deep: DeepLinks | None = None
    fallbacks: tuple[Target | Route, ...] = ()
    is_plain: bool = False

    @property
    def ids(self) -> dict[str, str]:
        """The values of the macros that are the same for every click."""
        return {
            "partner_id": str(self.partner_id),
            "offer_id": str(self.offer_id),
            "advertiser_id": str(self.advertiser_id),
            "link_id": str(self.link_id),
        }

    def link_block(self, landing_id: int | None, creative_id: int) -> bytes:
        """Return the link's block in the journal for a click that names its creative."""
        ids = (self.link_id, self.partner_id, self.offer_id, self.advertiser_id)
        return block((*ids, creative_id, landing_id))

    def target(self, visitor_key: bytes) -> Target:
        """Return the landing of a visitor, by weight: the same visitor gets the same one."""
        if len(self.targets) == 1:
            return self.targets[0]
        spread = int.from_bytes(visitor_key[:8], "big") + self.offer_id * 0x9E3779B97F4A7C15
        point = (spread & 0xFFFFFFFFFFFFFFFF) * self.total >> 64
        return next(target for target in self.targets if point < target.upto)


def make_target(
    landing_id: int | None, upto: int, template: Template, link: bytes | None = None
) -> Target:
    """Return the target of a template whose fixed macros were put in; `link` is its block."""
    needs = AT_THE_CLICK.intersection(template.names)
    return Target(landing_id, upto, template.expander(), needs, link)
