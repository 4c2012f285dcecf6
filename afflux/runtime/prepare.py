"""What must be there before the services start: topics and tables. Idempotent."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from afflux.runtime.migrate import EditedHistory, migrate_postgres
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings
from afflux.runtime.topics import ensure_topics


def prepare_stores(settings: Settings) -> tuple[list[str], list[str]]:
    """Create missing topics and apply missing migrations of PostgreSQL; return both lists.

    Errors: Refused when a migration was edited after it was applied.
    """
    with ThreadPoolExecutor(1) as worker:  # our caller may already be inside an event loop
        topics = worker.submit(lambda: asyncio.run(ensure_topics(settings))).result()
    try:
        return topics, migrate_postgres(settings.postgres)
    except EditedHistory as error:
        raise Refused(str(error)) from error
