"""Checks that span entities: references, unique codes, ranges, what a deletion would orphan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from afflux.kernel.catalog.attribution_check import attribution_problems, crossed_problems
from afflux.kernel.catalog.declared import Declaration, Declared, Removal
from afflux.kernel.catalog.entities import (
    HOLD_DAYS,
    CommissionRule,
    Entity,
    FxRate,
    Link,
    Offer,
    Partner,
)
from afflux.kernel.catalog.fields import BY_KIND
from afflux.kernel.catalog.references import references
from afflux.kernel.catalog.targeting_fields import targeting_problems
from afflux.kernel.catalog.view import Catalog
from afflux.kernel.document import Problems, unknown
from afflux.kernel.types import Millis

Entities = Mapping[tuple[str, str], Entity]
FAR: Millis = Millis(2**62)
MAX_POSTBACKS = 10


def check(declaration: Declaration, catalog: Catalog, now: Millis, problems: Problems) -> None:
    """Report what the entities of a file break among themselves and with the catalogue."""
    _check_repeats(declaration, problems)
    after = result(declaration, catalog, now)
    groups = {entity.group for entity in after.values() if isinstance(entity, Partner)}
    for declared in declaration.entities:
        for message in _own_problems(declared):
            problems.add(declared.line, declared.path, message)
        _check_references(declared, after, declaration.broken, problems)
        for field, message in crossed_problems(declared.entity, after):
            problems.add(*declared.place(field), message)
        if isinstance(declared.entity, CommissionRule):
            _check_rule(declared, declared.entity, after, groups, problems)
    _check_codes(declaration, after, problems)
    for removal in declaration.removals:
        _check_removal(removal, declaration, catalog, after, problems)


def result(
    declaration: Declaration, catalog: Catalog, now: Millis
) -> dict[tuple[str, str], Entity]:
    """Return the entities there will be: those of now and the future, and the declared ones."""
    after: dict[tuple[str, str], Entity] = {}
    for kind, shape in BY_KIND.items():
        for entity, _ in catalog.all(shape.kind, now, FAR):
            after[kind, entity.entity_id] = entity
    for removal in declaration.removals:
        after.pop((removal.kind, removal.entity_id), None)
    for declared in sorted(declaration.entities, key=lambda each: each.valid_from or 0):
        after[declared.entity.kind, declared.entity.entity_id] = declared.entity
    return after


def _check_repeats(declaration: Declaration, problems: Problems) -> None:
    seen: dict[tuple[str, str], list[Declared]] = {}
    for declared in declaration.entities:
        others = seen.setdefault((declared.entity.kind, declared.entity.entity_id), [])
        clash = next((each for each in others if _same_time(each, declared)), None)
        if clash is not None:
            what = f"{BY_KIND[declared.entity.kind].what} {declared.entity.entity_id}"
            message = (
                f"{what} is declared twice, first in line {clash.line}; "
                "give each its own valid_from to declare a history"
            )
            problems.add(declared.line, declared.path, message)
        others.append(declared)


def _same_time(one: Declared, other: Declared) -> bool:
    return None in (one.valid_from, other.valid_from) or one.valid_from == other.valid_from


def _own_problems(declared: Declared) -> Iterator[str]:
    entity, start, end = declared.entity, declared.valid_from, declared.valid_to
    if end is not None and end <= (start or 0):
        yield "valid_to must be after valid_from"
    if isinstance(entity, FxRate) and entity.base == entity.quote:
        yield f"base and quote are both {entity.base}"
    if isinstance(entity, Offer):
        yield from _offer_problems(entity)
        yield from targeting_problems(entity)
    yield from attribution_problems(entity)
    if isinstance(entity, Partner) and len(entity.postbacks) > MAX_POSTBACKS:
        yield f"a partner has at most {MAX_POSTBACKS} postbacks, not {len(entity.postbacks)}"


def _offer_problems(offer: Offer) -> Iterator[str]:
    for what, names in (
        ("landing id", [str(landing.id) for landing in offer.landings]),
        ("goal", [goal.name for goal in offer.goals]),
    ):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"the {what} {name} stands here twice"
    if not any(landing.weight for landing in offer.landings):
        yield "all landings have the weight 0"
    if offer.hold_seconds is not None and offer.hold_days != HOLD_DAYS:
        yield "say hold or hold_days, not both"
    for goal in offer.goals:
        if goal.hold_seconds is not None and goal.hold_days is not None:
            yield f"the goal {goal.name} says both hold and hold_days"


def _check_references(
    declared: Declared, after: Entities, broken: frozenset[tuple[str, str]], problems: Problems
) -> None:
    for ref in references(declared.entity):
        if (ref.kind, ref.entity_id) not in after and (ref.kind, ref.entity_id) not in broken:
            known = [entity_id for kind, entity_id in after if kind == ref.kind]
            message = unknown(ref.entity_id, known, BY_KIND[ref.kind].what)
            problems.add(*declared.place(ref.field), message)


def _check_rule(
    declared: Declared,
    rule: CommissionRule,
    after: Entities,
    groups: set[str | None],
    problems: Problems,
) -> None:
    if rule.group is not None and rule.group not in groups:
        known = sorted(group for group in groups if group is not None)
        message = unknown(rule.group, known, "partner group")
        problems.add(*declared.place("group"), message)
    if rule.goal is None:
        return
    offers = [entity for entity in after.values() if isinstance(entity, Offer)]
    if rule.offer_id is not None:
        offers = [offer for offer in offers if offer.id == rule.offer_id]
    goals = sorted({goal.name for offer in offers for goal in offer.goals})
    if offers and rule.goal not in goals:
        where = "goal" if rule.offer_id is None else f"goal of offer {rule.offer_id}"
        problems.add(*declared.place("goal"), unknown(rule.goal, goals, where))


def _check_codes(declaration: Declaration, after: Entities, problems: Problems) -> None:
    owners: dict[str, list[str]] = {}
    for entity in after.values():
        if isinstance(entity, Link):
            owners.setdefault(entity.code, []).append(entity.entity_id)
    for declared in declaration.entities:
        if isinstance(declared.entity, Link):
            same = owners.get(declared.entity.code, [])  # none: a second link of the id has it
            others = [own for own in same if own != declared.entity.entity_id]
            if others:
                message = f"the code {declared.entity.code!r} is also link {others[0]}'s"
                problems.add(*declared.place("code"), message)


def _check_removal(
    removal: Removal,
    declaration: Declaration,
    catalog: Catalog,
    after: Entities,
    problems: Problems,
) -> None:
    what = f"{BY_KIND[removal.kind].what} {removal.entity_id}"
    if any(
        (each.entity.kind, each.entity.entity_id) == (removal.kind, removal.entity_id)
        for each in declaration.entities
    ):
        problems.add(removal.line, removal.path, f"{what} is declared and deleted in one file")
    elif not catalog.history(removal.kind, removal.entity_id):
        problems.add(removal.line, removal.path, f"{what} does not exist")
    for entity in after.values():
        if any(
            (r.kind, r.entity_id) == (removal.kind, removal.entity_id) for r in references(entity)
        ):
            user = f"{BY_KIND[entity.kind].what} {entity.entity_id}"
            problems.add(removal.line, removal.path, f"{what} is still used by {user}")
            return
