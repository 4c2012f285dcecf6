"""What a catalogue file declares: entities with their validity, and what is to be deleted."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from afflux.kernel import scalars
from afflux.kernel.catalog.entities import Entity
from afflux.kernel.catalog.fields import BY_KIND, SHAPES, Shape
from afflux.kernel.document import (
    Entry,
    Field,
    Listing,
    Node,
    Problems,
    Table,
    Text,
    build,
    read_fields,
    scalar,
    unknown,
)
from afflux.kernel.types import Millis

_instant = scalar(scalars.instant)
_VALIDITY = {
    "valid_from": Field("valid_from", _instant),
    "valid_to": Field("valid_to", _instant),
}
_FILE = {**_VALIDITY, "reason": Field("reason", scalar(scalars.label))}


class Declared(Struct, frozen=True):
    """One entity of a file; without `valid_from` the plan chooses it."""

    entity: Entity
    valid_from: Millis | None
    valid_to: Millis | None
    line: int
    path: str
    lines: dict[str, int] = {}

    def place(self, key: str) -> tuple[int, str]:
        """Return the line and the path of one of its keys."""
        return self.lines.get(key, self.line), f"{self.path}.{key}"


class Removal(Struct, frozen=True):
    """One entity that a file deletes, from `valid_from` (default: now) on."""

    kind: str
    entity_id: str
    valid_from: Millis | None
    line: int
    path: str


class Declaration(Struct, frozen=True):
    """All that one file says; what it does not name stays as it is. `broken` are kind and id of
    entities that the file has, but that could not be read."""

    entities: tuple[Declared, ...] = ()
    removals: tuple[Removal, ...] = ()
    reason: str | None = None
    broken: frozenset[tuple[str, str]] = frozenset()


def read_declaration(
    document: Node, problems: Problems, time_zones: Collection[str]
) -> Declaration:
    """Read a file; what is wrong goes to `problems`, and the rest is still returned."""
    if isinstance(document, Text) and document.null:
        return Declaration()
    if not isinstance(document, Table):
        problems.add(document.line, "", "a catalogue file is a mapping of sections")
        return Declaration()
    head = _head(document, problems)
    valid_from, valid_to = _at(head, "valid_from"), _at(head, "valid_to")
    entities: list[Declared] = []
    removals: list[Removal] = []
    broken: set[tuple[str, str]] = set()
    for entry in document.entries:
        shape = _BY_SECTION.get(entry.name)
        if shape is not None:
            entities += _section(entry, shape, problems, valid_from, valid_to, broken)
        elif entry.name == "delete":
            removals += _removals(entry.value, problems, valid_from)
    _check_zones(entities, time_zones, problems)
    reason = head.get("reason")
    return Declaration(
        tuple(entities),
        tuple(removals),
        reason if isinstance(reason, str) else None,
        frozenset(broken),
    )


_BY_SECTION = {shape.section: shape for shape in SHAPES}
_SECTIONS = [*_BY_SECTION, *_FILE, "delete"]


def _head(document: Table, problems: Problems) -> dict[str, object]:
    own: list[Entry] = []
    seen: dict[str, int] = {}
    for entry in document.entries:
        if entry.name not in _SECTIONS:
            problems.add(entry.line, entry.name, unknown(entry.name, _SECTIONS, "section"))
        elif entry.name in _FILE:
            own.append(entry)
        elif entry.name in seen:
            first = seen[entry.name]
            problems.add(entry.line, entry.name, f"stands here twice, first in line {first}")
        seen.setdefault(entry.name, entry.line)
    return read_fields(Table(document.line, tuple(own)), "", problems, _FILE) or {}


def _section(
    entry: Entry,
    shape: Shape,
    problems: Problems,
    valid_from: Millis | None,
    valid_to: Millis | None,
    broken: set[tuple[str, str]],
) -> list[Declared]:
    if isinstance(entry.value, Text) and entry.value.null:
        return []
    if shape.section == "network":
        places = [(entry.value, shape.section)]
    elif isinstance(entry.value, Listing):
        places = [(item, f"{shape.section}[{i}]") for i, item in enumerate(entry.value.items)]
    else:
        problems.add(entry.value.line, shape.section, "a list is wanted")
        return []
    found = []
    for node, path in places:
        declared = _declared(node, path, shape, problems)
        if declared is not None:
            found.append(_with_defaults(declared, valid_from, valid_to))
        elif isinstance(node, Table):
            broken |= {(shape.kind.kind, entity_id) for entity_id in _named_ids(node)}
    return found


def _named_ids(node: Table) -> list[str]:
    named = [entry.value for entry in node.entries if entry.name == "id"]
    return [value.value for value in named if isinstance(value, Text)]


def _declared(node: Node, path: str, shape: Shape, problems: Problems) -> Declared | None:
    values = read_fields(node, path, problems, {**shape.fields, **_VALIDITY})
    if values is None:
        return None
    valid_from, valid_to = _at(values, "valid_from"), _at(values, "valid_to")
    own = {key: value for key, value in values.items() if key not in _VALIDITY}
    entity = build(shape.kind, own, node.line, path, problems)
    if not isinstance(entity, Entity):
        return None
    lines = {each.name: each.line for each in node.entries} if isinstance(node, Table) else {}
    return Declared(entity, valid_from, valid_to, node.line, path, lines)


def _with_defaults(
    declared: Declared, valid_from: Millis | None, valid_to: Millis | None
) -> Declared:
    return replace(
        declared,
        valid_from=valid_from if declared.valid_from is None else declared.valid_from,
        valid_to=valid_to if declared.valid_to is None else declared.valid_to,
    )


def _removals(node: Node, problems: Problems, valid_from: Millis | None) -> list[Removal]:
    if not isinstance(node, Listing):
        problems.add(node.line, "delete", "a list is wanted, such as `- partner: 3`")
        return []
    found = []
    for index, item in enumerate(node.items):
        path = f"delete[{index}]"
        removal = _removal(item, path, problems)
        if removal is not None:
            since = valid_from if removal.valid_from is None else removal.valid_from
            found.append(Removal(removal.kind, removal.entity_id, since, removal.line, path))
    return found


def _removal(node: Node, path: str, problems: Problems) -> Removal | None:
    fields = {kind: Field(kind, scalar(str)) for kind in BY_KIND}
    values = read_fields(node, path, problems, {**fields, "valid_from": _VALIDITY["valid_from"]})
    if values is None:
        return None
    valid_from = values.pop("valid_from", None)
    if len(values) != 1:
        problems.add(node.line, path, "exactly one entity is named by one item, as `partner: 3`")
        return None
    kind, entity_id = next(iter(values.items()))
    since = Millis(valid_from) if isinstance(valid_from, int) else None
    return Removal(kind, str(entity_id), since, node.line, path)


def _check_zones(entities: list[Declared], time_zones: Collection[str], problems: Problems) -> None:
    for declared in entities:
        zone = getattr(declared.entity, "time_zone", None)
        if zone is not None and zone not in time_zones:
            message = unknown(zone, sorted(time_zones), "time zone")
            problems.add(*declared.place("time_zone"), message)


def _at(values: dict[str, object], name: str) -> Millis | None:
    value = values.get(name)
    return Millis(value) if isinstance(value, int) else None
