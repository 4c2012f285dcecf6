"""What people ask the ledger: balances, a partner's entries, its statements."""

from __future__ import annotations

from afflux.kernel.events import LedgerEntry
from afflux.kernel.types import Millis
from afflux.runtime.pg import connect_async
from afflux.runtime.settings import Settings
from services.payouts.domain.statement import Statement, statements
from services.payouts.queries import audit


async def read_balances(settings: Settings) -> dict[tuple[str, str], int]:
    """Return every balance in minor units by (account, currency), in order of the account."""
    db = await connect_async(settings.postgres)
    try:
        return await audit.balances(db)
    finally:
        await db.close()


async def read_partner(settings: Settings, partner_id: int) -> list[LedgerEntry]:
    """Return a partner's entries in the order of its chain."""
    db = await connect_async(settings.postgres)
    try:
        return [entry async for _, entry in audit.entries(db, partner_id)]
    finally:
        await db.close()


async def read_statements(
    settings: Settings, partner_id: int, since: Millis, until: Millis | None
) -> list[Statement]:
    """Return a partner's statements, one a currency."""
    return statements(await read_partner(settings, partner_id), partner_id, since, until)
