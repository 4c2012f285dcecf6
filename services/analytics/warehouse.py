"""The column store: one handle that writes, one that can only read, each used by one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
from msgspec import Struct

from afflux.runtime.clickhouse import Client, open_clickhouse
from afflux.runtime.migrate import migrate_clickhouse

# K2: the token makes a repeated insert a no-op in the table and, block by block, in the targets of
# its views, so that a view that missed its part the first time gets it now.
_INSERT = {
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "insert_deduplicate": 1,
    "async_insert": 0,
    "wait_end_of_query": 1,
}
MAX_ROWS = 100_000
Parameters = Mapping[str, Any]


class Insert(Struct, frozen=True):
    """Rows for one table under one token."""

    table: str
    token: str
    rows: pl.DataFrame


class Answer(Struct, frozen=True):
    """Columns and rows of a query."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Warehouse:
    """Inserts and queries without blocking the event loop.

    The reader is a session of its own that is readonly for ever: it can neither write, nor change a
    setting, nor reach files and addresses through table functions.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._writing = ThreadPoolExecutor(1, "warehouse-write")
        self._reading = ThreadPoolExecutor(1, "warehouse-read")
        self._writer: Client | None = None
        self._reader: Client | None = None

    async def open(self) -> None:
        """Open both handles and bring the tables up to date; raises EditedHistory."""
        await self._on(self._writing, self._open)

    async def close(self) -> None:
        """Close both handles, after what is under way."""
        await self._on(self._reading, _close, self._reader)
        await self._on(self._writing, _close, self._writer)
        self._reading.shutdown()
        self._writing.shutdown()

    async def insert(self, inserts: Sequence[Insert]) -> None:
        """Insert in order; each is atomic, and a repetition under its token changes nothing."""
        await self._on(self._writing, self._insert, inserts)

    async def run(self, statements: Sequence[str]) -> None:
        """Run statements of ours, in order, in the session that writes."""
        await self._on(self._writing, self._run, statements)

    async def query(self, sql: str, parameters: Parameters | None = None) -> Answer:
        """Run a read-only query; values travel as server-side parameters."""
        answer: Answer = await self._on(self._reading, self._query, sql, parameters or {})
        return answer

    def _open(self) -> None:
        self._writer = open_clickhouse(self._dsn)
        migrate_clickhouse(self._writer)
        self._reader = open_clickhouse(self._dsn)
        if self._dsn.startswith("chdb:"):
            self._reader.command("SET readonly = 1")
        else:
            self._reader.set_client_setting("readonly", 1)

    def _insert(self, inserts: Sequence[Insert]) -> None:
        assert self._writer is not None
        for insert in inserts:
            if insert.rows.height > MAX_ROWS:
                raise ValueError(f"an insert takes {MAX_ROWS} rows at most: {insert.token}")
            self._writer.insert_arrow(
                insert.table,
                insert.rows.rechunk().to_arrow(),
                settings={**_INSERT, "insert_deduplication_token": insert.token},
            )

    def _run(self, statements: Sequence[str]) -> None:
        assert self._writer is not None
        for statement in statements:
            self._writer.command(statement)

    def _query(self, sql: str, parameters: Parameters) -> Answer:
        assert self._reader is not None
        result = self._reader.query(sql, parameters=dict(parameters))
        return Answer(tuple(result.column_names), result.result_rows)

    @staticmethod
    async def _on(pool: ThreadPoolExecutor, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)


def _close(client: Client | None) -> None:
    if client is not None:
        client.close()
