"""ClickHouse: an embedded engine (chDB) or a server behind one client."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

__all__ = ["Client", "open_clickhouse"]


def open_clickhouse(dsn: str) -> Client:
    """Return a client for `chdb:///absolute/folder` or `http(s)://user:password@host:port/db`.

    chDB locks its folder: one process at a time opens it.
    """
    parts = urlsplit(dsn)
    if parts.scheme == "chdb":
        Path(parts.path).mkdir(parents=True, exist_ok=True)
    return clickhouse_connect.get_client(dsn=dsn)
