"""A result as JSON and as CSV."""

from __future__ import annotations

import csv
import io

import msgspec

from services.analytics.domain.report import Cell, Row, Table
from services.analytics.domain.shadow_report import COLUMNS, ShadowReport
from services.analytics.kpi import Result


def as_json(result: Result) -> bytes:
    """Return `{"dimensions", "kpis", "rows", "totals"}`; a row has a value by name."""
    return msgspec.json.encode(
        {
            "dimensions": [dimension.value for dimension in result.table.dimensions],
            "kpis": list(result.table.kpis),
            "rows": [_row(result, result.table, row) for row in result.table.rows],
            "totals": [_row(result, result.totals, row) for row in result.totals.rows],
        }
    )


def as_csv(result: Result) -> str:
    """Return the rows as RFC 4180 text, with a column for each name beside its id."""
    out = io.StringIO()
    writer = csv.writer(out)
    rows = [_row(result, result.table, row) for row in result.table.rows]
    writer.writerow(_header(result))
    writer.writerows([_safe(row[name]) for name in _header(result)] for row in rows)
    return out.getvalue()


def shadow_csv(told: ShadowReport) -> str:
    """Return the rows of a trial run's report as RFC 4180 text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([_safe(getattr(row, name)) for name in COLUMNS] for row in told.rows)
    return out.getvalue()


def _header(result: Result) -> list[str]:
    names: list[str] = []
    for dimension in result.table.dimensions:
        names.append(dimension.value)
        if dimension.value in result.names:
            names.append(f"{dimension.value}_name")
    return [*names, *result.table.kpis]


def _row(result: Result, table: Table, row: Row) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for dimension, value in zip(table.dimensions, row.key, strict=True):
        cells[dimension.value] = value
        if dimension.value in result.names:
            cells[f"{dimension.value}_name"] = result.names[dimension.value].get(int(value))
    cells.update(zip(table.kpis, row.cells, strict=True))
    return cells


def _safe(cell: Cell) -> Cell:
    """A text that a spreadsheet would run as a formula gets a quote in front."""
    if isinstance(cell, str) and cell[:1] in ("=", "+", "@", "\t", "\r"):
        return "'" + cell
    if isinstance(cell, str) and cell[:1] == "-" and not cell[1:2].isdigit():
        return "'" + cell
    return cell
