"""PostgreSQL: connections, pools, and the psycopg names that query modules need."""

from __future__ import annotations

from typing import LiteralString

from psycopg import AsyncConnection, AsyncCursor, Connection, errors, sql
from psycopg.rows import class_row, dict_row, tuple_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

__all__ = [
    "AsyncConnection",
    "AsyncConnectionPool",
    "AsyncCursor",
    "Connection",
    "Jsonb",
    "LiteralString",
    "class_row",
    "connect",
    "connect_async",
    "dict_row",
    "errors",
    "open_pool",
    "sql",
    "tuple_row",
]
Pool = AsyncConnectionPool[AsyncConnection[tuple[object, ...]]]


async def open_pool(dsn: str, max_size: int = 4) -> Pool:
    """Return an open pool; raises psycopg_pool.PoolTimeout when the server does not answer."""
    pool: Pool = AsyncConnectionPool(dsn, min_size=1, max_size=max_size, open=False, timeout=15)
    await pool.open(wait=True, timeout=15)
    return pool


def connect(dsn: str, *, autocommit: bool = False) -> Connection[tuple[object, ...]]:
    """Return a connection for commands that run once."""
    return Connection.connect(dsn, autocommit=autocommit, connect_timeout=15)


async def connect_async(
    dsn: str, *, autocommit: bool = False
) -> AsyncConnection[tuple[object, ...]]:
    """Return an asynchronous connection of one owner."""
    return await AsyncConnection.connect(dsn, autocommit=autocommit, connect_timeout=15)
