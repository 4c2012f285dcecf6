"""`afflux prepare`: topics, tables and the secret, where no supervisor does it (compose)."""

from __future__ import annotations

import typer

from afflux.runtime.homes import ensure_secret, home_folder
from afflux.runtime.settings import settings


def prepare() -> None:
    """Create topics, apply migrations and make HOME/secret; for containers and clusters.

    `afflux up` does the same by itself. Repeating it changes nothing.

    Example: AFFLUX_KAFKA=kafka:9092 AFFLUX_POSTGRES=postgresql://... afflux prepare
    """
    from afflux.runtime.prepare import prepare_stores  # noqa: PLC0415 - slow to import

    topics, migrations = prepare_stores(settings())
    ensure_secret(home_folder())
    typer.echo(f"created {len(topics)} topics, applied {len(migrations)} migrations")
