"""Logs with lifetime customers, played by one worker until nothing is left to do."""

from __future__ import annotations

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Decision
from services.attribution.table import MemoryTable
from tests.attribution_customers import of, shop
from tests.attribution_events import HOUR, Log, click, conversion
from tests.attribution_samples import Worker

DAY = 24 * HOUR
FIRST = click(1, partner=100)
SALE = of(conversion(1, at=60_000, named=FIRST), 1)


def played(log: Log, view: Catalog | None = None) -> Worker:
    return Worker(log, MemoryTable(), view or shop()).drain()


def decisions(log: Log, view: Catalog | None = None) -> list[Decision]:
    """Final decisions in the order of the reports."""
    final = played(log, view).final
    return [final[report.conversion_key] for report in log.conversions]


def partners(found: list[Decision]) -> list[int | None]:
    return [one.shares[0].partner_id if one.shares else None for one in found]
