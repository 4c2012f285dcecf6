"""Brings the columns' TTLs in line with the settings."""

from __future__ import annotations

from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings
from services.analytics.domain.retention import COLUMNS, statements
from services.analytics.warehouse import Warehouse

log = get_logger(__name__)
_TABLES = (
    "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() "
    "AND startsWith(name, 'raw_')"
)


async def keep_retention(warehouse: Warehouse, settings: Settings) -> int:
    """Change the TTLs that differ and return how many did.

    What is expired already goes with the next merges of its parts, in the background.
    """
    days = {name: int(getattr(settings, f"retention_{name}_days")) for name in COLUMNS}
    tables = {str(name): str(text) for name, text in (await warehouse.query(_TABLES)).rows}
    changes = statements(days, tables)
    await warehouse.run(changes)
    if changes:
        log.info("retention_changed", columns=len(changes), **days)
    return len(changes)
