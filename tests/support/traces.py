"""Finds ids in a column store: in every column of every table, under null masks too."""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.analytics.warehouse import Warehouse
from tests.support.warehouses import scalar

_COLUMNS = """SELECT c.table, c.name, c.type FROM system.columns c
JOIN system.tables t ON t.database = c.database AND t.name = c.table
WHERE c.database = currentDatabase() AND t.engine LIKE '%MergeTree'"""
_MUTATIONS = "(SELECT command FROM system.mutations WHERE database = currentDatabase())"
_BESIDES = re.compile(r"Nullable|Tuple|Map|Variant|Dynamic|JSON")


async def traces(warehouse: Warehouse, ids: Iterable[bytes]) -> dict[str, int]:
    """Return how many rows hold one of these ids, by "table.column"; raw, or as hex digits.

    The texts of mutations count as a column: the server keeps them in files.
    """
    needles = [form.hex() for one in ids for form in (one, one.hex().encode())]
    searched = [
        (table, name, _bytes_of(name, kind))
        for table, name, kind in (await warehouse.query(_COLUMNS)).rows
    ]
    assert len(searched) > 300
    found = {}
    for table, name, text in [*searched, (_MUTATIONS, "command", "command")]:
        holds = f"position({text}, unhex(id)) > 0 OR position(lower({text}), unhex(id)) > 0"
        sql = f"SELECT count() FROM {table} WHERE arrayExists(id -> {holds}, {{ids:Array(String)}})"
        if count := await scalar(warehouse, sql, {"ids": needles}):
            found["system.mutations" if table == _MUTATIONS else f"{table}.{name}"] = count
    return found


def _bytes_of(name: str, kind: str) -> str:
    """Return SQL for the bytes of a value; a type that may hide values otherwise is an error."""
    if kind.startswith("Array(Nullable("):
        plain, shown = kind[15:-2], f"arrayMap(x -> assumeNotNull(x), {name})"
    elif found := re.fullmatch(r"(?:LowCardinality\()?Nullable\((.*?)\)+", kind):
        plain, shown = found[1], f"assumeNotNull({name})"
    else:
        plain, shown = kind, name
    assert not _BESIDES.search(plain), kind
    return f"formatRow('RowBinary', {shown})"
