"""The rows of all facts of a query become one table of KPIs.

Counts have no currency: when several currencies occur, the currency becomes a dimension, money is
never added across, and the counts stand in the row of each currency. In the same way a fact that
cannot be split by a dimension (clicks by goal) has the same value in all its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from afflux.kernel.money import digits, major
from services.analytics.domain.filters import Dimension, Value
from services.analytics.domain.kpis import Kpi, Measures, Number, Unit

Key = tuple[Value, ...]
Cell = int | float | str | None


class FactRows(Struct, frozen=True):
    """What one statement returned: measures by the values of its keys."""

    keys: tuple[Dimension, ...]
    rows: Mapping[Key, Measures]


class Row(Struct, frozen=True):
    """One line: the values of the dimensions, then the KPIs, in the order of the report."""

    key: Key
    cells: tuple[Cell, ...]


class Table(Struct, frozen=True):
    """A report: the dimensions its rows are split by, KPIs, rows in the order of their keys."""

    dimensions: tuple[Dimension, ...]
    kpis: tuple[str, ...]
    rows: tuple[Row, ...]


def table(by: Sequence[Dimension], facts: Sequence[FactRows], kpis: Sequence[Kpi]) -> Table:
    """Return the report; without dimensions it has a row even where nothing happened."""
    plain = tuple(dimension for dimension in by if dimension != Dimension.CURRENCY)
    sides = [_Side(plain, fact) for fact in facts]
    known = sorted({currency for side in sides for currency in side.all_currencies})
    split = Dimension.CURRENCY in by or len(known) > 1
    rows = []
    for key in sorted(_keys(plain, sides), key=_order):
        own = sorted({currency for side in sides for currency in side.currencies(key)})
        for currency in own or ([""] if split else known or [""]):
            measures: dict[str, int] = {}
            for side in sides:
                measures.update(side.measures(key, currency))
            cells = tuple(_cell(kpi.unit, kpi.compute(measures), currency) for kpi in kpis)
            rows.append(Row((*key, currency) if split else key, cells))
    dimensions = (*plain, Dimension.CURRENCY) if split else plain
    return Table(dimensions, tuple(kpi.name for kpi in kpis), tuple(rows))


class _Side:
    """One fact, found by the keys of the whole report."""

    def __init__(self, plain: tuple[Dimension, ...], fact: FactRows) -> None:
        self.held = tuple(key for key in fact.keys if key != Dimension.CURRENCY)
        self.whole = self.held == plain
        self._rows = fact.rows
        self._by_currency = len(self.held) < len(fact.keys)
        self._places = [plain.index(dimension) for dimension in self.held]
        self._currencies: dict[Key, set[str]] = {}
        if self._by_currency:
            for key in fact.rows:
                self._currencies.setdefault(key[:-1], set()).add(str(key[-1]))

    @property
    def all_currencies(self) -> set[str]:
        """Return the currencies of all rows."""
        return set().union(*self._currencies.values())

    @property
    def keys(self) -> set[Key]:
        """Return the keys this fact has rows for."""
        return {key[: len(self.held)] for key in self._rows}

    def own_key(self, key: Key) -> Key:
        """Return the part of a report's key that this fact knows."""
        return tuple(key[place] for place in self._places)

    def currencies(self, key: Key) -> set[str]:
        """Return the currencies of the rows of a key."""
        return self._currencies.get(self.own_key(key), set())

    def measures(self, key: Key, currency: str) -> Measures:
        """Return the measures of a key, in a currency where the fact has one."""
        own = self.own_key(key)
        return self._rows.get((*own, currency) if self._by_currency else own, {})


def _order(key: Key) -> tuple[tuple[bool, Value], ...]:
    return tuple((isinstance(value, str), value) for value in key)


def _keys(plain: tuple[Dimension, ...], sides: Sequence[_Side]) -> set[Key]:
    """Return the keys of all facts; one that lacks a dimension adds only what no other has."""
    keys = {key for side in sides if side.whole for key in side.keys}
    for side in sides:
        if not side.whole:
            covered = {side.own_key(key) for key in keys}
            for missing in side.keys - covered:
                values: dict[str, Value] = dict(zip(side.held, missing, strict=True))
                keys.add(tuple(values.get(dimension, "") for dimension in plain))
    return keys if keys or plain else {()}


def _cell(unit: Unit, number: Number, currency: str) -> Cell:
    """Return the number for people and files; money in major units, as exact text."""
    if number is None:
        return None
    match unit:
        case Unit.MONEY:
            return major(int(number), currency) if currency else None
        case Unit.MONEY_EACH:
            return _each(Fraction(number), currency) if currency else None
        case Unit.RATIO:
            return round(float(number), 6)
        case _:
            return int(number)


def _each(minor: Fraction, currency: str) -> str:
    """Return an amount per unit in major units, to four digits below the minor unit."""
    places = digits(currency) + 4
    scaled = round(minor * 10**4)
    return str(Decimal(scaled).scaleb(-places))
