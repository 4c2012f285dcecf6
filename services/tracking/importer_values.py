"""How a map finds values in a row: columns, constants, value tables, times, filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from afflux.kernel import scalars
from afflux.kernel.document import (
    BAD,
    Field,
    Listing,
    Node,
    Problems,
    Table,
    Text,
    build,
    listing,
    read_fields,
    scalar,
)
from afflux.kernel.types import Millis

Row = Mapping[str, str]
_text = scalar(str)


class Value(Struct, frozen=True):
    """Where a value comes from: columns joined by `join`, or a constant; then a value table.

    A text that the table does not name becomes `default`, or stays as it is without one.
    """

    columns: tuple[str, ...] = ()
    constant: str | None = None
    join: str = "/"
    values: dict[str, str] = {}
    default: str | None = None

    def of(self, row: Row) -> str:
        """Return the value in a row; empty if there is none."""
        if self.constant is not None:
            return self.constant
        parts = [row[column].strip() for column in self.columns]
        text = self.join.join(parts) if any(parts) else ""
        if text in self.values:
            return self.values[text]
        return self.default if self.default is not None and (self.values or not text) else text


class Time(Struct, frozen=True):
    """A column with an instant: `iso`, `epoch_s`, `epoch_ms` or a strptime pattern; `zone` is that
    of texts which name none."""

    column: str
    format: str = "iso"
    zone: str = "UTC"

    def of(self, row: Row) -> Millis:
        """Return the instant; raises ValueError with a sentence."""
        text = row[self.column].strip()
        if not text:
            raise ValueError(f"the column {self.column} is empty")
        if self.format in {"epoch_s", "epoch_ms"}:
            return _epoch(text, 1 if self.format == "epoch_ms" else 1000)
        try:
            moment = (
                datetime.fromisoformat(text)
                if self.format == "iso"
                else datetime.strptime(text, self.format)  # noqa: DTZ007 - the zone follows
            )
        except ValueError:
            raise ValueError(f"{text[:40]!r} is not a time of the format {self.format}") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(self.zone))
        delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
        micros = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
        return Millis(micros // 1000)


class Condition(Struct, frozen=True):
    """What a column must hold for a row to count."""

    column: str
    among: tuple[str, ...] = ()
    present: bool | None = None
    excluded: tuple[str, ...] = ()

    def holds(self, row: Row) -> bool:
        """Return whether the row is wanted."""
        text = row[self.column].strip()
        if self.present is not None and bool(text) is not self.present:
            return False
        return (not self.among or text in self.among) and text not in self.excluded


def _epoch(text: str, scale: int) -> Millis:
    whole, _, part = text.partition(".")
    if not (whole + part).isascii() or not (whole + (part or "0")).isdigit() or len(whole) > 14:
        raise ValueError(f"{text[:40]!r} is not a number of seconds or milliseconds")
    if scale == 1:
        return Millis(int(whole))
    return Millis(int(whole) * scale + int((part + "000")[:3]))


def texts(node: Node, path: str, problems: Problems) -> object:
    """Parse a table of texts."""
    if not isinstance(node, Table):
        problems.add(node.line, path, "a mapping of texts is wanted")
        return BAD
    found: dict[str, str] = {}
    for entry in node.entries:
        text = _text(entry.value, f"{path}.{entry.name}", problems)
        if entry.name in found:
            problems.add(entry.line, f"{path}.{entry.name}", "stands here twice")
        found[entry.name] = str(text)
    return found


_VALUE: dict[str, Field] = {
    "column": Field("column", _text),
    "columns": Field("columns", listing(_text, at_least=1)),
    "constant": Field("constant", _text),
    "join": Field("join", _text),
    "values": Field("values", texts),
    "default": Field("default", _text),
}


def value(more: Mapping[str, Field] | None = None) -> Callable[[Node, str, Problems], object]:
    """Return a parse of a value: a column's name, or {column | columns | constant, ...}.

    `more` are further keys; with them the parse returns a (Value, their attributes) pair.
    """
    own = {**_VALUE, **(more or {})}

    def parse(node: Node, path: str, problems: Problems) -> object:
        if isinstance(node, Text) and not node.null:
            plain = Value(columns=(node.value,))
            return (plain, {}) if more is not None else plain
        values = read_fields(node, path, problems, own)
        if values is None:
            return BAD
        extra = {name: values.pop(name) for name in list(values) if name not in _VALUE}
        if len(values.keys() & {"column", "columns", "constant"}) != 1:
            problems.add(node.line, path, "one of column, columns and constant is wanted")
            return BAD
        if "column" in values:
            values["columns"] = [values.pop("column")]
        made = build(Value, values, node.line, path, problems)
        return made if more is None or made is BAD else (made, extra)

    return parse


def conditions(node: Node, path: str, problems: Problems) -> object:
    """Parse `where`: column: text | [texts] | {present: true} | {not: [texts]}."""
    if not isinstance(node, Table):
        problems.add(node.line, path, "a mapping of columns is wanted")
        return BAD
    found = [_condition(e.name, e.value, f"{path}.{e.name}", problems) for e in node.entries]
    return BAD if any(each is BAD for each in found) else found


def _condition(column: str, node: Node, path: str, problems: Problems) -> object:
    match node:
        case Text():
            return Condition(column, among=("" if node.null else node.value,))
        case Listing():
            among = listing(_text, at_least=1)(node, path, problems)
            return Condition(column, among=tuple(among)) if isinstance(among, list) else BAD
        case Table():
            fields = {
                "present": Field("present", scalar(scalars.flag)),
                "not": Field("excluded", listing(_text, at_least=1)),
            }
            values = read_fields(node, path, problems, fields)
            if values is None:
                return BAD
            return build(Condition, {"column": column, **values}, node.line, path, problems)
