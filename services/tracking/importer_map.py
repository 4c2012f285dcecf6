"""The map of an import: which column means what. Read whole, all errors at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from zoneinfo import available_timezones

from msgspec import Struct

from afflux.kernel import scalars
from afflux.kernel.catalog.fields import BY_KIND
from afflux.kernel.document import (
    BAD,
    Field,
    Node,
    Problems,
    Table,
    Text,
    listing,
    read_fields,
    scalar,
    unknown,
)
from services.tracking.importer_values import Condition, Time, Value, conditions, value

CLICKS, CONVERSIONS = "clicks", "conversions"
_SUBS = tuple(f"sub{number}" for number in range(1, 11))
_CLICK_FIELDS = ("user_agent", "ip", "country", "source", "ref_id", *_SUBS)
_REPORT_FIELDS = (
    "txn_id",
    "goal",
    "amount",
    "currency",
    "status",
    "customer_id",
    "new_customer",
    "coupon",
    "country",
    "click_id",
)


class Named(Struct, frozen=True):
    """A value that names a catalogue entity, by id or by name; `create` holds the attributes of
    those to be created, None if unknown ones are refused."""

    value: Value
    create: dict[str, object] | None = None


class ImportMap(Struct, frozen=True, kw_only=True):
    """A map; `name` keeps the ids of one source of history apart from those of another."""

    kind: str
    name: str
    time: Time
    where: tuple[Condition, ...] = ()
    identity: tuple[str, ...] = ()
    visitor: Value | None = None
    partner: Named | None = None
    offer: Named | None = None
    link: Value | None = None
    create_links: bool = False
    advertiser: Value | None = None
    fields: dict[str, Value] = {}
    delimiter: str = ","
    encoding: str = "utf-8"
    decimal_comma: bool = False

    def columns(self) -> Iterator[str]:
        """Yield every column the map needs."""
        yield self.time.column
        yield from self.identity
        yield from (condition.column for condition in self.where)
        named = [each.value for each in (self.partner, self.offer) if each is not None]
        own = [self.visitor, self.link, self.advertiser, *named, *self.fields.values()]
        for each in own:
            yield from each.columns if each is not None else ()


def read_map(document: Node, kind: str, problems: Problems) -> ImportMap | None:
    """Return the map, or None with what is wrong in `problems`."""
    values = read_fields(document, "", problems, _fields(kind))
    if values is None:
        return None
    names = _CLICK_FIELDS if kind == CLICKS else _REPORT_FIELDS
    fields = {name: values.pop(name) for name in names if name in values}
    for name in ("partner", "offer"):
        match values.get(name):
            case (Value() as own, dict() as extra):
                values[name] = Named(own, extra.get("create"))
    csv = values.pop("csv", {})
    if isinstance(csv, dict):
        values |= csv
    if len(problems):
        return None
    made = ImportMap(kind=kind, fields=fields, **values)  # type: ignore[arg-type]
    _check(made, document, problems)
    return None if len(problems) else made


def check_header(header: Collection[str], found: ImportMap, problems: Problems) -> None:
    """Report the columns that the map needs and the file does not have."""
    for column in sorted(set(found.columns()) - set(header)):
        problems.add(1, "", unknown(column, list(header), "column"))


def _check(found: ImportMap, document: Node, problems: Problems) -> None:
    zones = available_timezones()
    if found.time.zone not in zones:
        problems.add(document.line, "time.zone", unknown(found.time.zone, sorted(zones), "zone"))
    if found.kind == CONVERSIONS and not found.fields.keys() & {"txn_id", "click_id"}:
        problems.add(document.line, "txn_id", "txn_id or click_id is required")


def _time(node: Node, path: str, problems: Problems) -> object:
    if isinstance(node, Text) and not node.null:
        return Time(node.value)
    fields = {name: Field(name, scalar(str)) for name in ("column", "format", "zone")}
    fields["column"] = Field("column", scalar(str), required=True)
    values = read_fields(node, path, problems, fields)
    if values is None:
        return BAD
    return Time(**{name: str(text) for name, text in values.items()})


def _create(kind: str) -> Field:
    """Return the `create` key: true, or the attributes of what is created, as in a catalogue."""
    shape = BY_KIND[kind]
    attributes: Mapping[str, Field] = {
        name: field for name, field in shape.fields.items() if name not in {"id", "name"}
    }

    def parse(node: Node, path: str, problems: Problems) -> object:
        if isinstance(node, Text):
            wanted = scalar(scalars.flag)(node, path, problems)
            table: Node = Table(node.line, ())
            if wanted is not True:
                return None if wanted is False else BAD
            return read_fields(table, path, problems, attributes) or {}
        values = read_fields(node, path, problems, attributes)
        return BAD if values is None else values

    return Field("create", parse)


def _csv(node: Node, path: str, problems: Problems) -> object:
    def delimiter(text: str) -> str:
        text = {"tab": "\t", "\\t": "\t"}.get(text, text)
        if len(text) != 1:
            raise ValueError("a delimiter is one character, or tab")
        return text

    def encoding(text: str) -> str:
        try:
            "".encode(text)
        except LookupError:
            raise ValueError(f"{text[:40]!r} is no encoding Python knows") from None
        return text

    fields = {
        "delimiter": Field("delimiter", scalar(delimiter)),
        "encoding": Field("encoding", scalar(encoding)),
        "decimal_comma": Field("decimal_comma", scalar(scalars.flag)),
    }
    values = read_fields(node, path, problems, fields)
    return BAD if values is None else values


def _fields(kind: str) -> dict[str, Field]:
    own = value()
    common = {
        "name": Field("name", scalar(scalars.name), required=True),
        "time": Field("time", _time, required=True),
        "where": Field("where", conditions),
        "csv": Field("csv", _csv),
    }
    if kind == CLICKS:
        return {
            **common,
            "identity": Field("identity", listing(scalar(str), at_least=1)),
            "visitor": Field("visitor", own, required=True),
            "partner": Field("partner", value({"create": _create("partner")}), required=True),
            "offer": Field("offer", value({"create": _create("offer")}), required=True),
            "link": Field("link", own),
            "create_links": Field("create_links", scalar(scalars.flag)),
            **{name: Field(name, own) for name in _CLICK_FIELDS},
        }
    required = {"goal"}
    return {
        **common,
        "visitor": Field("visitor", own),
        "advertiser": Field("advertiser", own, required=True),
        "offer": Field("offer", value({})),
        **{name: Field(name, own, required=name in required) for name in _REPORT_FIELDS},
    }
