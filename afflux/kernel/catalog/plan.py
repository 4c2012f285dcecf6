"""The difference between a catalogue and a declaration, as versions to be written.

What holds already is not written again, so applying a file twice writes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from afflux.kernel.catalog.declared import Declaration, Declared, Removal
from afflux.kernel.catalog.entities import Entity
from afflux.kernel.catalog.fields import BY_KIND, show_entity
from afflux.kernel.catalog.view import Catalog, Version
from afflux.kernel.events import CatalogChange, Operation
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis

FOREVER = Millis(2**62)
_NEVER_KNOWN = Millis(2**62)


class Step(Struct, frozen=True):
    """One version to write; `before` is what held at its `valid_from`, None for nothing."""

    kind: str
    entity_id: str
    version: int
    entity: Entity | None
    before: Entity | None
    valid_from: Millis
    valid_to: Millis | None

    @property
    def sign(self) -> str:
        """`+` for a new entity, `~` for a change, `-` for a deletion."""
        if self.entity is None:
            return "-"
        return "+" if self.before is None else "~"


class FieldChange(Struct, frozen=True):
    """One field that differs; None stands for the default or nothing."""

    path: str
    before: str | None
    after: str | None


class Plan(Struct, frozen=True):
    """All versions to write, in the order of the file, and how many entities stay as they are."""

    steps: tuple[Step, ...]
    unchanged: int


def make_plan(declaration: Declaration, catalog: Catalog, now: Millis) -> Plan:
    """Return what must be written for a checked declaration to hold."""
    histories: dict[tuple[str, str], list[Version]] = {}

    def history(kind: str, entity_id: str) -> list[Version]:
        known = histories.get((kind, entity_id))
        return catalog.history(kind, entity_id) if known is None else known

    steps: list[Step] = []
    unchanged = 0
    for declared in _bounded(declaration.entities):
        kind, entity_id = declared.entity.kind, declared.entity.entity_id
        step = _put(declared, history(kind, entity_id), now)
        if step is None:
            unchanged += 1
        else:
            steps.append(step)
            histories[kind, entity_id] = [_version(step), *history(kind, entity_id)]
    for removal in declaration.removals:
        step = _delete(removal, history(removal.kind, removal.entity_id), now)
        if step is None:
            unchanged += 1
        else:
            steps.append(step)
    return Plan(tuple(steps), unchanged)


def changes(
    plan: Plan,
    now: Millis,
    recorded_at: Millis,
    author: str,
    reason: str | None,
    tenant_id: int = 0,
) -> list[CatalogChange]:
    """Return the events of a plan: said at `now`, known from `recorded_at`."""
    return [
        CatalogChange(
            event_id=change_id(tenant_id, step.kind, step.entity_id, step.version),
            occurred_at=now,
            recorded_at=recorded_at,
            tenant_id=tenant_id,
            kind=step.kind,
            entity_id=step.entity_id,
            version=step.version,
            valid_from=step.valid_from,
            valid_to=step.valid_to,
            operation=Operation.DELETE if step.entity is None else Operation.PUT,
            body="" if step.entity is None else msgspec.json.encode(step.entity).decode(),
            author=author,
            reason=reason,
        )
        for step in plan.steps
    ]


def change_id(tenant_id: int, kind: str, entity_id: str, version: int) -> bytes:
    """Return the event id of one version of one entity (law I3)."""
    return derive("catalog-change", tenant_id, kind, entity_id, version)


def differences(step: Step) -> list[FieldChange]:
    """Return the fields that differ between `before` and what the step writes."""
    if step.entity is None:
        return []
    before = {} if step.before is None else _flat(show_entity(step.before))
    after = _flat(show_entity(step.entity))
    return [
        FieldChange(path, before.get(path), after.get(path))
        for path in [*after, *(path for path in before if path not in after)]
        if before.get(path) != after.get(path)
    ]


def label(step: Step) -> str:
    """Return the step's entity for people: `offer 101`."""
    shape = BY_KIND[step.kind]
    return shape.what if step.kind == "network" else f"{shape.what} {step.entity_id}"


def _bounded(entities: Sequence[Declared]) -> Iterator[Declared]:
    """Yield the entities; of several with one id each ends where the next one begins."""
    starts: dict[tuple[str, str], list[Millis]] = {}
    for each in entities:
        own = starts.setdefault((each.entity.kind, each.entity.entity_id), [])
        if each.valid_from is not None:
            own.append(each.valid_from)
    for each in entities:
        later = [
            at
            for at in starts[each.entity.kind, each.entity.entity_id]
            if each.valid_from is not None and at > each.valid_from
        ]
        ends = [*later, *([] if each.valid_to is None else [each.valid_to])]
        yield msgspec.structs.replace(each, valid_to=min(ends, default=None))


def _put(declared: Declared, history: Sequence[Version], now: Millis) -> Step | None:
    entity, start = declared.entity, declared.valid_from
    if start is None:
        start = now if history else Millis(0)
        horizon = start + 1 if history and declared.valid_to is None else declared.valid_to
    else:
        horizon = declared.valid_to
    end = FOREVER if horizon is None else horizon
    if history and all(answer(history, at) == entity for at in _instants(history, start, end)):
        return None
    return Step(
        entity.kind,
        entity.entity_id,
        _next(history),
        entity,
        answer(history, start),
        start,
        declared.valid_to,
    )


def _delete(removal: Removal, history: Sequence[Version], now: Millis) -> Step | None:
    start = now if removal.valid_from is None else removal.valid_from
    if all(answer(history, at) is None for at in _instants(history, start, FOREVER)):
        return None
    before = answer(history, start)
    return Step(removal.kind, removal.entity_id, _next(history), None, before, start, None)


def answer(history: Sequence[Version], at: Millis) -> Entity | None:
    """Return what a history, newest version first, says for an instant."""
    found = next((version for version in history if version.covers(at, _NEVER_KNOWN)), None)
    return None if found is None else found.entity


def _instants(history: Sequence[Version], start: int, end: int) -> list[Millis]:
    """Return every instant in [start, end) at which the answer could change, and the start."""
    edges = {start}
    for version in history:
        edges |= {version.valid_from, version.valid_to or version.valid_from}
    return [Millis(at) for at in sorted(edges) if start <= at < end]


def _next(history: Sequence[Version]) -> int:
    return max((version.version for version in history), default=0) + 1


def _version(step: Step) -> Version:
    return Version(step.entity, step.version, step.valid_from, step.valid_to, _NEVER_KNOWN)


def _flat(value: object, path: str = "") -> dict[str, str]:
    """Return nested shown values as paths to texts; items of a list go by their name or id."""
    match value:
        case dict():
            return {
                key: text
                for name, inner in value.items()
                for key, text in _flat(inner, f"{path}.{name}" if path else str(name)).items()
            }
        case list() if any(isinstance(item, dict) for item in value):
            return {
                key: text
                for item in value
                for key, text in _flat(item, f"{path}.{_own_name(item)}").items()
            }
        case list():
            return {path: ", ".join(map(str, value))}
        case _:
            return {path: str(value)}


def _own_name(item: object) -> object:
    return item.get("name", item.get("id", item.get("url"))) if isinstance(item, dict) else item
