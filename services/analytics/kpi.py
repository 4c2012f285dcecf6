"""Runs a query: one statement a fact, names from the catalogue, one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from services.analytics.domain.filters import Dimension, Refusal
from services.analytics.domain.kpis import Kpi
from services.analytics.domain.query import MAX_ROWS, Compiled, Query, compile_query
from services.analytics.domain.report import FactRows, Table, table
from services.analytics.warehouse import Warehouse

_NAMES = """
SELECT entity_id, name FROM catalog_current FINAL
WHERE kind = {kind:String} AND has({ids:Array(String)}, entity_id)
"""
_NAMED = (Dimension.PARTNER, Dimension.OFFER, Dimension.ADVERTISER)


class Result(Struct, frozen=True):
    """The table, the totals over all its rows, and names by dimension and id."""

    table: Table
    totals: Table
    names: dict[str, dict[int, str]]


async def run_query(warehouse: Warehouse, query: Query, kpis: Sequence[Kpi]) -> Result:
    """Answer a query; raises Refusal for one without a clear meaning or with too many rows."""
    rows = table(query.by, await _facts(warehouse, query), kpis)
    whole = Query((), query.where, query.start, query.end, query.scope)
    totals = table((), await _facts(warehouse, whole), kpis)
    return Result(rows, totals, await _names(warehouse, rows))


async def _facts(warehouse: Warehouse, query: Query) -> list[FactRows]:
    return [await _rows(warehouse, compiled) for compiled in compile_query(query)]


async def _rows(warehouse: Warehouse, compiled: Compiled) -> FactRows:
    answer = await warehouse.query(compiled.sql, compiled.parameters)
    if len(answer.rows) > MAX_ROWS:
        raise Refusal(f"more than {MAX_ROWS} rows: ask for fewer dimensions or a shorter time")
    width = len(compiled.keys)
    rows: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in answer.rows:
        measures = zip(compiled.measures, row[width:], strict=True)
        rows[tuple(row[:width])] = {
            name: int(value) for name, value in measures if value is not None
        }
    return FactRows(compiled.keys, rows)


async def _names(warehouse: Warehouse, rows: Table) -> dict[str, dict[int, str]]:
    names: dict[str, dict[int, str]] = {}
    for place, dimension in enumerate(rows.dimensions):
        if dimension in _NAMED:
            ids = sorted({str(row.key[place]) for row in rows.rows})
            answer = await warehouse.query(_NAMES, {"kind": dimension.value, "ids": ids})
            names[dimension.value] = {int(entity): str(name) for entity, name in answer.rows}
    return names
