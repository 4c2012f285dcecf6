"""Asking every stage what it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import httpx

from afflux.cli.proof.conservation import Inside
from afflux.cli.proof.log_side import account_class, read_log
from afflux.kernel.events import Click, Conversion
from afflux.runtime.codec import Codec
from afflux.runtime.pg import connect_async
from afflux.runtime.settings import Settings
from services.analytics.domain.conservation import Report as TopicReport
from services.payouts.queries import audit
from services.payouts.verify import Report as LedgerReport
from services.tracking.importer_queries import sent_counts
from services.tracking.journal.counts import journal_counts


async def gather(settings: Settings, ledger: LedgerReport, topics: TopicReport) -> Inside:
    """Return what journals, imports, Kafka, ClickHouse and the ledger say."""
    db = await connect_async(settings.postgres)
    try:
        balances = await audit.balances(db)
        imports = await sent_counts(db)
    finally:
        await db.close()
    return Inside(
        journals=journals(settings),
        imports={
            Click.topic: imports.get("clicks", 0),
            Conversion.topic: imports.get("conversions", 0),
        },
        log=await read_log(settings, Codec.load()),
        clickhouse={total.topic: total.clickhouse.count for total in topics.topics},
        ledger_keys=_known(ledger.statuses),
        ledger_money=_by_class(balances),
        clickhouse_money=_by_class(await clickhouse_accounts(settings)),
    )


def journals(settings: Settings) -> Counter[str]:
    """Return what the edges of this home have journaled since ever, by kind."""
    total: Counter[str] = Counter()
    for folder in sorted((settings.home / "journal").glob("*")):
        total.update(journal_counts(folder))
    return total


async def clickhouse_accounts(settings: Settings) -> dict[tuple[str, str], int]:
    """Return the balance of every account and currency as ClickHouse adds it up."""
    async with httpx.AsyncClient(base_url=settings.kpi_url, timeout=60) as client:
        answer = await client.get("/v1/accounts")
        answer.raise_for_status()
    rows = answer.json()["accounts"]
    return {(row["account"], row["currency"]): int(row["minor"]) for row in rows}


def _by_class(balances: Mapping[tuple[str, str], int]) -> Counter[tuple[str, str]]:
    totals: Counter[tuple[str, str]] = Counter()
    for (account, currency), minor in balances.items():
        totals[(account_class(account), currency)] += minor
    return totals


def _known(statuses: Mapping[str, int]) -> int:
    """Conversions the ledger has a standing for; reports still awaited are none."""
    return sum(
        count
        for status, count in statuses.items()
        if not status.startswith("refused:") and status != "parked"
    )
