"""A change that a command makes to the catalogue, checked and written as a file's is."""

from __future__ import annotations

from afflux.kernel.catalog import Catalog, Entity
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import Declaration, Declared, Removal
from afflux.kernel.catalog.plan import Plan, make_plan
from afflux.kernel.document import Problem, Problems
from afflux.kernel.types import Millis
from afflux.runtime.catalog_store import Planner
from afflux.runtime.refused import Refused


def putting(*entities: Entity) -> Planner:
    """Return the planner that writes these entities as they are from now on."""
    declared = tuple(Declared(entity, None, None, 0, entity.kind) for entity in entities)
    return _planner(Declaration(declared))


def ending(kind: str, entity_id: str) -> Planner:
    """Return the planner that deletes an entity from now on; its history stays."""
    return _planner(Declaration(removals=(Removal(kind, entity_id, None, 0, kind),)))


def _planner(declaration: Declaration) -> Planner:
    def plan(catalog: Catalog, now: Millis) -> Plan:
        problems = Problems()
        check(declaration, catalog, now, problems)
        if problems:
            raise Refused("; ".join(_sentence(each) for each in problems))
        return make_plan(declaration, catalog, now)

    return plan


def _sentence(problem: Problem) -> str:
    """Name the field, where there is one: the entity is the command's own."""
    _, _, field = problem.path.partition(".")
    return f"{field}: {problem.message}" if field else problem.message
