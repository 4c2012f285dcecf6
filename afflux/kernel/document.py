"""A declared file as nodes that remember their lines, and readers that report every error at once.

The text format (YAML) is the shell's matter: here stand only nodes. A `Parse` turns one node into a
value or reports why it cannot; it never raises, so that one run names all that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches

import msgspec
from msgspec import Struct


class Text(Struct, frozen=True):
    """A scalar as it was written; `null` where nothing, `~` or `null` stood."""

    line: int
    value: str
    null: bool = False


class Listing(Struct, frozen=True):
    """A list."""

    line: int
    items: tuple[Node, ...]


class Entry(Struct, frozen=True):
    """One key of a table with its value."""

    line: int
    name: str
    value: Node


class Table(Struct, frozen=True):
    """A mapping, in the order of the file; a key can stand in it twice, which readers report."""

    line: int
    entries: tuple[Entry, ...]


Node = Text | Listing | Table


class Problem(Struct, frozen=True, order=True):
    """What is wrong, where: the line counts from 1, the path is like `offers[2].goals[0].name`."""

    line: int
    path: str
    message: str


class Problems:
    """A collector of problems."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, line: int, path: str, message: str) -> None:
        """Note one problem."""
        self._found.append(Problem(line, path, message))

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Problem]:
        return iter(sorted(self._found))


class _Bad:
    """The value of a node that was reported."""


BAD = _Bad()
Parse = Callable[[Node, str, Problems], object]


class Field(Struct, frozen=True):
    """One key of a table: the attribute it fills, how it is read, how it is shown again."""

    attribute: str
    parse: Parse
    show: Callable[[object], object] = lambda value: value
    required: bool = False


def scalar(read: Callable[[str], object]) -> Parse:
    """Return a parse of one scalar; `read` raises ValueError with a sentence."""

    def parse(node: Node, path: str, problems: Problems) -> object:
        if not isinstance(node, Text):
            problems.add(node.line, path, f"a single value is wanted, not {_shape(node)}")
            return BAD
        if node.null:
            problems.add(node.line, path, "the value is missing")
            return BAD
        try:
            return read(node.value)
        except ValueError as error:
            problems.add(node.line, path, str(error))
            return BAD

    return parse


def listing(item: Parse, *, at_least: int = 0) -> Parse:
    """Return a parse of a list."""

    def parse(node: Node, path: str, problems: Problems) -> object:
        if not isinstance(node, Listing):
            problems.add(node.line, path, f"a list is wanted, not {_shape(node)}")
            return BAD
        if len(node.items) < at_least:
            problems.add(node.line, path, f"at least {at_least} is needed")
            return BAD
        values = [item(each, f"{path}[{i}]", problems) for i, each in enumerate(node.items)]
        return BAD if BAD in values else values

    return parse


def record(kind: type[Struct], fields: Mapping[str, Field]) -> Parse:
    """Return a parse of a table into a struct; keys that are absent take the struct's defaults."""

    def parse(node: Node, path: str, problems: Problems) -> object:
        values = read_fields(node, path, problems, fields)
        return BAD if values is None else build(kind, values, node.line, path, problems)

    return parse


def build(
    kind: type[Struct], values: Mapping[str, object], line: int, path: str, problems: Problems
) -> object:
    """Return the struct of these attributes, or BAD with a problem."""
    try:
        return msgspec.convert(dict(values), kind, from_attributes=True)
    except msgspec.ValidationError as error:
        problems.add(line, path, str(error))
        return BAD


def read_fields(
    node: Node, path: str, problems: Problems, fields: Mapping[str, Field]
) -> dict[str, object] | None:
    """Return the attributes that a table declares, or None if anything in it is wrong."""
    if not isinstance(node, Table):
        problems.add(node.line, path, f"a mapping is wanted, not {_shape(node)}")
        return None
    before = len(problems)
    values: dict[str, object] = {}
    seen: dict[str, int] = {}
    for entry in node.entries:
        place = f"{path}.{entry.name}" if path else entry.name
        field = fields.get(entry.name)
        if entry.name in seen:
            problems.add(entry.line, place, f"stands here twice, first in line {seen[entry.name]}")
        elif field is None:
            problems.add(entry.line, place, unknown(entry.name, fields, "key"))
        elif field.required or not (isinstance(entry.value, Text) and entry.value.null):
            values[field.attribute] = field.parse(entry.value, place, problems)
        seen.setdefault(entry.name, entry.line)
    for name, field in fields.items():
        if field.required and name not in seen:
            problems.add(node.line, f"{path}.{name}" if path else name, "is required")
    return values if len(problems) == before else None


def unknown(name: str, known: Mapping[str, object] | Sequence[str], what: str) -> str:
    """Return the sentence for a name that does not exist, with the nearest one that does."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {_some(known)}"
    return f"there is no {what} {name!r}{hint}"


def _some(known: Mapping[str, object] | Sequence[str]) -> str:
    names = sorted(known)
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"


def _shape(node: Node) -> str:
    match node:
        case Text():
            return "nothing" if node.null else f"{node.value[:40]!r}"
        case Listing():
            return "a list"
        case Table():
            return "a mapping"
