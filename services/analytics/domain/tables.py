"""Raw tables: one a topic, one row a record, columns derived from the event's fields.

A list of records becomes JSON text; what queries ask for are arrays as well: the shares of a
decision, the names of signals and of rules. A record inside a record (the decision in an
assessment) is laid out flat with a prefix; of a conversion inside a record only the key is kept:
its own topic has the rest.

Not kept: `monitor.alerts`, which nobody counts, and `attribution.customers`, which is how
partitions of attribution agree whose a customer is: it names customers, and what comes of it stands
in the decisions (`signal`, `bound_by`).
"""

from __future__ import annotations

import enum
import types
from typing import Any, NewType, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields

from afflux.kernel.events import BY_TOPIC, Event
from afflux.kernel.events.attribution import Decision, Share
from afflux.kernel.events.common import Binary16, Instant
from afflux.kernel.events.fraud import RuleReason, Signal
from afflux.kernel.events.tracking import Conversion
from afflux.kernel.types import Millis

TIME = "DateTime64(3, 'UTC')"
ID = "FixedString(16)"
KAFKA_COLUMNS: tuple[tuple[str, str], ...] = (
    ("kafka_partition", "Int32"),
    ("kafka_offset", "Int64"),
    ("kafka_day", "Date"),
    ("row_hash", "UInt64"),
)
UNDECODABLE = "raw_undecodable"
TOPICS: tuple[str, ...] = (
    "catalog.changes",
    "tracking.clicks",
    "tracking.impressions",
    "tracking.conversions",
    "tracking.adjustments",
    "tracking.rejections",
    "fraud.click-flags",
    "fraud.click-counts",
    "attribution.redecisions",
    "attribution.decisions",
    "attribution.shadow",
    "fraud.assessments",
    "payouts.commissions",
    "privacy.erasures",
    "deadletters",
)
_FEW_VALUES = frozenset(
    """goal currency cost_currency country device os browser language source coupon edge_id reason
    model real_model method content_type status field chain kind stage origin_topic source_topic
    state_before state_after rule_id author fetch_metadata debit credit""".split()
)
_PREFIXES = {"decision": "decided", "real_shares": "real_"}
_SHARE_ARRAYS = "partner_id offer_id link_id click_id clicked_at numerator denominator".split()
_ARRAYS: dict[type, dict[str, str]] = {
    Share: {name: f"share_{name}" for name in _SHARE_ARRAYS},
    Signal: {"name": "signal_names"},
    RuleReason: {"rule": "reason_rules"},
}
# What is summed to compare a topic with its table: a check digit over all currencies, not money.
_AMOUNTS = {
    "tracking.clicks": ("cost_minor",),
    "tracking.conversions": ("value_minor",),
    "tracking.adjustments": ("value_minor",),
    "fraud.click-counts": ("valid",),
    "attribution.decisions": ("value_minor",),
    "attribution.shadow": ("value_minor",),
    "fraud.assessments": ("decision", "value_minor"),
    "payouts.commissions": ("amount_minor",),
}


_LEFT_OUT = {
    "attribution.shadow": ("shares", "real_shares", "click_id", "clicked_at"),
}
"""Endings of columns that are not kept. Trial runs name no click, and must not begin to."""


class Layout(enum.Enum):
    """How a column is filled from a field."""

    PLAIN = "plain"
    JSON = "json"
    ARRAY = "array"


class Column(Struct, frozen=True):
    """A column: its ClickHouse type and the path of the field in the event."""

    name: str
    type: str
    path: tuple[str, ...]
    layout: Layout = Layout.PLAIN


class Table(Struct, frozen=True):
    """The raw table of a topic; `amount` is the path of what is summed in comparisons."""

    topic: str
    name: str
    event: type[Event]
    columns: tuple[Column, ...]
    amount: tuple[str, ...] | None

    @property
    def amount_column(self) -> str | None:
        """The column of `amount`."""
        return None if self.amount is None else column_name(self.amount)


def table_of(topic: str) -> Table:
    """Return the raw table of a topic; raises KeyError for a topic without one."""
    return TABLES[topic]


def column_name(path: tuple[str, ...]) -> str:
    """Return the column of a field; `decision` inside an assessment is called `decided`, because
    the assessment has a `decision_version` of its own."""
    return "_".join((*(_PREFIXES[part] for part in path[:-1]), path[-1]))


def columns_of(record: type[Struct], prefix: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Return the columns of a record's fields, in the order of the fields."""
    hints = get_type_hints(record, include_extras=True)
    found: list[Column] = []
    for field in fields(record):
        found += _columns(hints[field.name], field.name, prefix)
    return tuple(found)


def _columns(hint: Any, name: str, prefix: tuple[str, ...]) -> list[Column] | tuple[Column, ...]:
    path = (*prefix, name)
    column = column_name(path)
    if hint is Decision:
        return columns_of(Decision, path)
    if hint is Conversion:
        return [Column("conversion_key", ID, (*path, "conversion_key"))]
    if get_origin(hint) is not list:
        return [Column(column, clickhouse_type(hint, name), path)]
    (item,) = get_args(hint)
    if item is str:
        return [Column(column, "Array(String)", path)]
    arrays = _ARRAYS.get(item, {})
    hints = get_type_hints(item, include_extras=True)
    lead = "".join(f"{_PREFIXES[part]}_" for part in prefix) + _PREFIXES.get(name, "")
    columns = [
        Column(
            lead + alias, f"Array({clickhouse_type(hints[part], '')})", (*path, part), Layout.ARRAY
        )
        for part, alias in arrays.items()
    ]
    if len(arrays) < len(item.__struct_fields__):
        columns.append(Column(column, "String", path, Layout.JSON))
    return columns


def clickhouse_type(hint: Any, name: str) -> str:
    """Return the ClickHouse type of a field; raises TypeError for one nobody thought of."""
    if get_origin(hint) is types.UnionType or str(get_origin(hint)) == "typing.Union":
        inner = next(part for part in get_args(hint) if part is not type(None))
        return _nullable(clickhouse_type(inner, name))
    if hint in (Binary16, Instant):
        return ID if hint == Binary16 else TIME
    if isinstance(hint, NewType):
        return TIME if hint is Millis else "Int64"
    base = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    if base is bool:
        return "Bool"
    if base is bytes:
        return "String"
    if base is int:
        return "Int64"
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return "LowCardinality(String)"
    if base is str:
        return "LowCardinality(String)" if name in _FEW_VALUES else "String"
    raise TypeError(f"no column type for {hint!r}")


def _nullable(kind: str) -> str:
    if kind.startswith("LowCardinality("):
        return f"LowCardinality(Nullable({kind[15:-1]}))"
    return f"Nullable({kind})"


def _table(topic: str) -> Table:
    event = BY_TOPIC[topic]
    name = "raw_" + topic.replace(".", "_").replace("-", "_")
    left_out = _LEFT_OUT.get(topic, ())
    columns = tuple(one for one in columns_of(event) if not one.name.endswith(left_out))
    return Table(topic, name, event, columns, _AMOUNTS.get(topic))


TABLES: dict[str, Table] = {topic: _table(topic) for topic in TOPICS}
