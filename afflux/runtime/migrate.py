"""Migrations: plain SQL files in order, applied once, edited history refused.

A file is `NNNN_name.sql`, its statements separated by `;` at the end of a line. What was applied
is recorded with a checksum of the file; a file that changed afterwards stops the start.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from afflux.runtime import pg
from afflux.runtime.paths import SCHEMAS

if TYPE_CHECKING:
    from afflux.runtime.clickhouse import Client

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 0x61666C7578  # "aflux": one migrator at a time in one database


class Migration(Struct, frozen=True):
    """One file of the history."""

    name: str
    checksum: str
    statements: tuple[str, ...]


class EditedHistory(RuntimeError):
    """A migration that was applied has another content now, or is gone."""


class Target(Protocol):
    """A database that migrations are applied to."""

    def applied(self) -> dict[str, str]:
        """Return checksum by name of what was applied."""
        ...

    def apply(self, migration: Migration) -> None:
        """Run the statements and record the migration."""
        ...


def read_migrations(folder: Path) -> list[Migration]:
    """Return the migrations of a folder in order; raises ValueError for a wrong file name."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        if not _NAME.match(path.name):
            raise ValueError(f"{path.name}: a migration is called NNNN_name.sql")
        text = path.read_text()
        checksum = blake2b(text.encode(), digest_size=16).hexdigest()
        found.append(Migration(path.name, checksum, statements(text)))
    return found


def statements(text: str) -> tuple[str, ...]:
    """Split a script at each `;` that ends a line; comment lines are dropped.

    A body between lines of `$$` is kept whole.
    """
    parts: list[str] = []
    current: list[str] = []
    quoted = False
    for line in text.splitlines():
        if not quoted and (not line.strip() or line.lstrip().startswith("--")):
            continue
        current.append(line)
        quoted ^= line.count("$$") % 2 == 1
        if not quoted and line.rstrip().endswith(";"):
            parts.append("\n".join(current).rstrip().removesuffix(";"))
            current = []
    if current:
        parts.append("\n".join(current))
    return tuple(parts)


def migrate(target: Target, migrations: list[Migration]) -> list[str]:
    """Apply what is missing; return the names applied. Raises EditedHistory."""
    done = target.applied()
    known = {migration.name: migration.checksum for migration in migrations}
    for name, checksum in done.items():
        if known.get(name) != checksum:
            state = "was edited" if name in known else "is gone"
            raise EditedHistory(f"migration {name} {state} after it was applied: add a new file")
    missing = [migration for migration in migrations if migration.name not in done]
    for migration in missing:
        target.apply(migration)
    return [migration.name for migration in missing]


class _Postgres:
    def __init__(self, connection: pg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection
        connection.execute(
            "CREATE TABLE IF NOT EXISTS afflux_migrations (name text PRIMARY KEY, "
            "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )

    def applied(self) -> dict[str, str]:
        rows = self._connection.execute("SELECT name, checksum FROM afflux_migrations ORDER BY 1")
        return {str(name): str(checksum) for name, checksum in rows}

    def apply(self, migration: Migration) -> None:
        for statement in migration.statements:
            self._connection.execute(statement)
        self._connection.execute(
            "INSERT INTO afflux_migrations (name, checksum) VALUES (%s, %s)",
            (migration.name, migration.checksum),
        )


class _ClickHouse:
    def __init__(self, client: Client) -> None:
        self._client = client
        client.command(
            "CREATE TABLE IF NOT EXISTS afflux_migrations (name String, checksum String, "
            "applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY name"
        )

    def applied(self) -> dict[str, str]:
        query = "SELECT name, checksum FROM afflux_migrations ORDER BY name"
        return {
            str(name): str(checksum) for name, checksum in self._client.query(query).result_rows
        }

    def apply(self, migration: Migration) -> None:
        # ClickHouse has no transaction over DDL: files hold statements that can be repeated.
        for statement in migration.statements:
            self._client.command(statement)
        self._client.insert(
            "afflux_migrations",
            [[migration.name, migration.checksum]],
            column_names=["name", "checksum"],
        )


def migrate_postgres(dsn: str, folder: Path = SCHEMAS / "postgres") -> list[str]:
    """Bring a PostgreSQL database up to date in one transaction; return the names applied."""
    with pg.connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        return migrate(_Postgres(connection), read_migrations(folder))


def migrate_clickhouse(client: Client, folder: Path = SCHEMAS / "clickhouse") -> list[str]:
    """Bring a ClickHouse database up to date; return the names applied."""
    return migrate(_ClickHouse(client), read_migrations(folder))
