"""From a typed query to SQL with server-side parameters (law K4).

The text of the SQL depends on the shape of a query alone: names of dimensions and facts come from
closed lists, every value is a parameter, and the scope stands in every fact beside the filter.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from afflux.kernel.types import Millis
from services.analytics.domain import facts
from services.analytics.domain.facts import Fact
from services.analytics.domain.filters import (
    ANYTHING,
    IDS,
    SUBS,
    Dimension,
    Every,
    Filter,
    Is,
    Not,
    Refusal,
    Scope,
    Some,
    Value,
    dimensions_of,
    restricted,
)

MAX_ROWS = 100_000
_HOUR_MS = 3_600_000
_FOREVER = 1 << 53

Parameter = int | str | list[int] | list[str]


class Query(Struct, frozen=True):
    """What is asked: split by `by`, for instants in [start, end), where the filter holds."""

    by: tuple[Dimension, ...] = ()
    where: Filter = ANYTHING
    start: Millis | None = None
    end: Millis | None = None
    scope: Scope | None = None

    @property
    def used(self) -> frozenset[Dimension]:
        """All dimensions the query names."""
        return frozenset(self.by) | dimensions_of(self.where)


class Compiled(Struct, frozen=True):
    """One statement; its first columns are the values of `keys`, then come the `measures`."""

    sql: str
    parameters: dict[str, Parameter]
    keys: tuple[Dimension, ...]
    measures: tuple[str, ...]


class _Parameters:
    """Collects values and hands out their places in the SQL."""

    def __init__(self) -> None:
        self.values: dict[str, Parameter] = {}

    def place(self, value: Parameter, kind: str) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{kind}}}"


def compile_query(query: Query) -> list[Compiled]:
    """Return one statement a fact; raises Refusal for a query that has no clear meaning."""
    if len(set(query.by)) != len(query.by):
        raise Refusal("a dimension is named twice")
    if query.start is not None and query.end is not None and query.start >= query.end:
        raise Refusal("`from` is not before `to`")
    used = query.used
    by_hour = _whole_hours(query) and not used & set(SUBS)
    sources = [
        facts.CLICKS_HOURLY if by_hour else facts.CLICKS_RAW,
        facts.CLICKS_INVALID,
        facts.IMPRESSIONS_HOURLY if by_hour else facts.IMPRESSIONS_RAW,
        facts.conversions(used),
        facts.orders(used),
        facts.money(used),
    ]
    return [compile_fact(query, fact) for fact in sources]


def compile_fact(query: Query, fact: Fact) -> Compiled:
    """Return the statement for one fact of a query."""
    split = fact.dimensions - {Dimension.CURRENCY}
    keys = tuple(dimension for dimension in query.by if dimension in split)
    if Dimension.CURRENCY in fact.dimensions:
        keys = (*keys, Dimension.CURRENCY)
    parameters = _Parameters()
    where = " AND ".join(_conditions(query, fact, parameters))
    columns = [f"{_expression(fact, key)} AS k{place}" for place, key in enumerate(keys)]
    names = [f"k{place}" for place in range(len(keys))]
    measures = [f"{sql} AS m_{name}" for name, sql in fact.measures.items()]
    if fact.daily:
        inner = [*columns, f"toDate({fact.at}, 'UTC') AS each_day", *measures]
        inner += [f"{sql} AS m_{name}" for name, sql in fact.daily.items()]
        table = (
            f"(SELECT {', '.join(inner)} FROM {fact.table} WHERE {where} "
            f"GROUP BY {', '.join([*names, 'each_day'])})"
        )
        sums = [f"sum(m_{name})" for name in (*fact.measures, *fact.daily)]
        select, rest = [*names, *sums], f"FROM {table}"
    else:
        select, rest = [*columns, *measures], f"FROM {fact.table} WHERE {where}"
    group = f" GROUP BY {', '.join(names)}" if names else ""
    limit = f" LIMIT {MAX_ROWS + 1}"
    return Compiled(
        f"SELECT {', '.join(select)} {rest}{group}{limit}",
        parameters.values,
        keys,
        (*fact.measures, *fact.daily),
    )


def _whole_hours(query: Query) -> bool:
    return all(at is None or at % _HOUR_MS == 0 for at in (query.start, query.end))


def _conditions(query: Query, fact: Fact, parameters: _Parameters) -> list[str]:
    start = parameters.place(query.start or 0, "Int64")
    end = parameters.place(_FOREVER if query.end is None else query.end, "Int64")
    at = f"toUnixTimestamp64Milli(toDateTime64({fact.at}, 3, 'UTC'))"
    conditions = [f"({fact.always})", f"{at} < {end}"]
    if query.start is not None:
        conditions.append(f"{fact.at} >= fromUnixTimestamp64Milli({start}, 'UTC')")
    if query.scope is not None:
        partners = parameters.place(list(query.scope.partner_ids), "Array(Int64)")
        conditions.append(f"has({partners}, partner_id)")
    conditions.append(_sql(restricted(query.where, fact.dimensions), fact, parameters))
    return conditions


def _sql(part: Filter, fact: Fact, parameters: _Parameters) -> str:
    match part:
        case Is(dimension=dimension, values=values):
            return f"has({_list(dimension, values, parameters)}, {_expression(fact, dimension)})"
        case Not(part=inner):
            return f"NOT {_sql(inner, fact, parameters)}"
        case Every(parts=parts):
            return _joined(" AND ", "1", parts, fact, parameters)
        case Some(parts=parts):
            return _joined(" OR ", "0", parts, fact, parameters)


def _joined(
    word: str, empty: str, parts: Sequence[Filter], fact: Fact, parameters: _Parameters
) -> str:
    return f"({word.join(_sql(part, fact, parameters) for part in parts) or empty})"


def _list(dimension: Dimension, values: Sequence[Value], parameters: _Parameters) -> str:
    if dimension in IDS:
        numbers = [value for value in values if isinstance(value, int)]
        if len(numbers) != len(values):
            raise Refusal(f"the values of {dimension} are whole numbers")
        return parameters.place(numbers, "Array(Int64)")
    return parameters.place([str(value) for value in values], "Array(String)")


def _expression(fact: Fact, dimension: Dimension) -> str:
    at = fact.at
    match dimension:
        case Dimension.HOUR:
            return f"formatDateTime({at}, '%Y-%m-%dT%H:00:00Z', 'UTC')"
        case Dimension.DAY:
            return f"toString(toDate({at}, 'UTC'))"
        case Dimension.WEEK:
            return f"toString(toMonday(toDate({at}, 'UTC')))"
        case Dimension.MONTH:
            return f"formatDateTime({at}, '%Y-%m', 'UTC')"
        case _:
            return fact.columns[dimension]
