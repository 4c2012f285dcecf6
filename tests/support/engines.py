"""Kafka, PostgreSQL and ClickHouse for tests: containers where a Docker engine answers,
else the embedded engines. Both ways give the same three addresses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from afflux.runtime import pg
from afflux.runtime.embedded.postgres import PostgresFiles
from afflux.runtime.supervise.stack import Stack

KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.0"
POSTGRES_IMAGE = "postgres:18"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:25.8"


@dataclass(frozen=True)
class Engines:
    """Addresses: Kafka bootstrap, a PostgreSQL administrator's DSN, a ClickHouse DSN."""

    kafka: str
    postgres: str
    clickhouse: str
    kind: str


def docker_answers() -> bool:
    """Tell whether a Docker engine answers."""
    import docker  # noqa: PLC0415 - only where engines are wanted
    from docker.errors import DockerException  # noqa: PLC0415

    with suppress(DockerException, OSError):
        return bool(docker.from_env(timeout=3).ping())
    return False


@contextmanager
def running_engines() -> Iterator[Engines]:
    """Start the engines, yield their addresses, stop them."""
    with containers() if docker_answers() else embedded() as engines:
        yield engines


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Make a home that any account may pass through, and remove it at the end.

    Not under pytest's own folder: that is closed to other accounts again by the next run, and
    PostgreSQL, started by root, runs as another account.
    """
    home = Path(tempfile.mkdtemp(prefix="afflux-test-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def embedded() -> Iterator[Engines]:
    """The engines from packages; ClickHouse is chDB in a folder, one process at a time."""
    with temporary_home() as home, Stack(home, [], free_ports=True) as stack:
        settings = stack.settings
        dsn = PostgresFiles(home).dsn("postgres")
        yield Engines(settings.kafka, dsn, settings.clickhouse, "embedded")


@contextmanager
def containers() -> Iterator[Engines]:
    """The engines as containers."""
    from testcontainers.clickhouse import ClickHouseContainer  # noqa: PLC0415
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415

    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaContainer(KAFKA_IMAGE).with_kraft())
        postgres = stack.enter_context(PostgresContainer(POSTGRES_IMAGE, driver=None))
        clickhouse = stack.enter_context(ClickHouseContainer(CLICKHOUSE_IMAGE, port=8123))
        host, port = clickhouse.get_container_host_ip(), clickhouse.get_exposed_port(8123)
        user = f"{clickhouse.username}:{clickhouse.password}"
        yield Engines(
            kafka=kafka.get_bootstrap_server(),
            postgres=postgres.get_connection_url(),
            clickhouse=f"http://{user}@{host}:{port}/{clickhouse.dbname}",
            kind="containers",
        )


@contextmanager
def temporary_database(admin_dsn: str, name: str) -> Iterator[str]:
    """Make an empty database, yield its DSN, drop it with whatever is connected to it."""
    identifier = pg.sql.Identifier(name)
    with pg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(pg.sql.SQL("CREATE DATABASE {}").format(identifier))
    try:
        yield database_dsn(admin_dsn, name)
    finally:
        with pg.connect(admin_dsn, autocommit=True) as admin:
            admin.execute(pg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def database_dsn(admin_dsn: str, name: str) -> str:
    """Return the same server's DSN for another database."""
    from urllib.parse import urlsplit, urlunsplit  # noqa: PLC0415

    parts = urlsplit(admin_dsn)
    return urlunsplit(parts._replace(path=f"/{name}", netloc=parts.netloc or ""))
