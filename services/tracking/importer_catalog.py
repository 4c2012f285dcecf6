"""What an import needs of the catalogue: entities by id or name, and those it may create."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from afflux.kernel import scalars
from afflux.kernel.catalog import Advertiser, Catalog, Entity, Link, Offer, Partner
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import Declaration, Declared
from afflux.kernel.catalog.plan import Plan, make_plan
from afflux.kernel.document import Problems, build
from afflux.kernel.types import Millis

FAR = Millis(2**62)


class Wanted(Struct, frozen=True):
    """Names that a batch of rows uses: partners, offers, and links as (partner, offer) texts."""

    partners: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


class Creation(Struct, frozen=True):
    """What may be created: attributes of partners and offers (None: nothing), and links or not."""

    partner: dict[str, object] | None
    offer: dict[str, object] | None
    links: bool


class Index:
    """The catalogue as it is now and will be, by id and by name."""

    def __init__(self, catalog: Catalog, now: Millis) -> None:
        self.catalog = catalog
        self.partners = _by_name(entity for entity, _ in catalog.all(Partner, now, FAR))
        self.offers = _by_name(entity for entity, _ in catalog.all(Offer, now, FAR))
        self.advertisers = {entity.id: entity for entity, _ in catalog.all(Advertiser, now, FAR)}
        self._links: dict[tuple[int, int], Link] = {}
        self._codes: dict[str, Link] = {}
        for link, _ in catalog.all(Link, now, FAR):
            self._codes[link.code] = link
            known = self._links.get((link.partner_id, link.offer_id))
            if known is None or link.id < known.id:
                self._links[link.partner_id, link.offer_id] = link

    def link(self, partner_id: int, offer_id: int) -> Link | None:
        """Return the oldest link of a partner into an offer."""
        return self._links.get((partner_id, offer_id))

    def link_of_code(self, code: str) -> Link | None:
        """Return the link with this code."""
        return self._codes.get(code)

    def missing(self, wanted: Wanted, creation: Creation) -> bool:
        """Return whether something is wanted that is not there and may be created."""
        return bool(_declared(self, wanted, creation))


def creation_plan(catalog: Catalog, now: Millis, wanted: Wanted, creation: Creation) -> Plan:
    """Return the plan that creates what is wanted and missing.

    It takes the way of a catalogue file, with the same checks; raises ValueError with their
    sentences, for example when an advertiser of the `create` block does not exist.
    """
    declaration = Declaration(tuple(_declared(Index(catalog, now), wanted, creation)))
    problems = Problems()
    check(declaration, catalog, now, problems)
    if problems:
        raise ValueError("; ".join(f"{each.path}: {each.message}" for each in problems))
    return make_plan(declaration, catalog, now)


def _declared(index: Index, wanted: Wanted, creation: Creation) -> list[Declared]:
    partners, offers = dict(index.partners), dict(index.offers)
    made: list[Entity] = []
    if creation.partner is not None:
        made += _create(Partner, partners, wanted.partners, creation.partner, index)
    if creation.offer is not None:
        made += _create(Offer, offers, wanted.offers, creation.offer, index)
    if creation.links:
        made += _create_links(index, wanted, partners, offers)
    return [Declared(entity, None, None, 1, f"{entity.kind} {entity.entity_id}") for entity in made]


def _create(
    kind: type[Partner] | type[Offer],
    known: dict[str, int],
    names: Iterable[str],
    attributes: dict[str, object],
    index: Index,
) -> list[Entity]:
    made: list[Entity] = []
    top = _top(kind, index)
    problems = Problems()
    for name in sorted(set(names) - known.keys()):
        if name.isdigit() or not _is_name(name):
            continue  # an id that does not exist, or no name at all: its rows are refused
        top += 1
        values = {**attributes, "id": top, "name": name}
        entity = build(kind, values, 1, f"{kind.kind} {name!r}", problems)
        if isinstance(entity, Entity):
            made.append(entity)
            known[name] = top
    if problems:
        raise ValueError("; ".join(f"{each.path}: {each.message}" for each in problems))
    return made


def _is_name(text: str) -> bool:
    try:
        return scalars.label(text) == text
    except ValueError:
        return False


def _create_links(
    index: Index, wanted: Wanted, partners: dict[str, int], offers: dict[str, int]
) -> list[Entity]:
    made: list[Entity] = []
    top = _top(Link, index)
    for partner, offer in sorted(set(wanted.links)):
        partner_id, offer_id = partners.get(partner), offers.get(offer)
        if partner_id is None or offer_id is None or index.link(partner_id, offer_id):
            continue
        top += 1
        code = f"i{partner_id}-{offer_id}"
        if index.link_of_code(code):
            code = f"{code}-{top}"
        made.append(Link(id=top, code=code, partner_id=partner_id, offer_id=offer_id))
    return made


def _by_name(entities: Iterable[Partner | Offer]) -> dict[str, int]:
    """Return ids by id text and by name; of two with one name the lower id counts."""
    found: dict[str, int] = {}
    ordered = sorted(entities, key=lambda entity: -entity.id)
    for entity in ordered:
        found[entity.name] = entity.id
    for entity in ordered:
        found[str(entity.id)] = entity.id
    return found


def _top(kind: type[Entity], index: Index) -> int:
    """Return the highest id that was ever given, to a deleted entity too."""
    ids = index.catalog.ids(kind)
    return max((int(entity_id) for entity_id in ids), default=0)
