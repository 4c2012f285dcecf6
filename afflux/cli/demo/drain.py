"""Waiting until nothing is under way any more."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from afflux.cli.errors import Refused
from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.pg import connect_async
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.report import stack_report
from afflux.runtime.supervise.services import fetch
from services.analytics.conservation import wait_until_drained
from services.payouts.queries import audit

_QUIET = 4  # looks in a row that must find nothing
_LOOK_S = 0.4
_TELL_S = 4.0
_SOON_MS = 30_000


async def drain(
    settings: Settings,
    home: Path,
    shipper: int | None,
    timeout_s: float,
    tell: Callable[[str], None],
) -> None:
    """Wait until every lag is 0, no hold ends soon, the outbox is empty and the sink is done.

    `shipper` is the admin port of one more shipper, if there is one. Raises Refused after
    `timeout_s`, naming what is left.
    """
    started = told = time.monotonic()
    quiet = 0
    while quiet < _QUIET:
        left = [*_lags(home, shipper), *await _ledger(settings)]
        quiet = 0 if left else quiet + 1
        now = time.monotonic()
        if now - started > timeout_s:
            raise Refused(f"not drained after {timeout_s:g} s: {', '.join(left)}")
        if now - told > _TELL_S and left:
            tell(f"still under way: {', '.join(left)}")
            told = now
        await asyncio.sleep(_LOOK_S)
    await wait_until_drained(settings, timeout_s)


def _lags(home: Path, shipper: int | None) -> Sequence[str]:
    report = stack_report(home)
    left = [f"{one.name} has a lag of {one.lag}" for one in report.processes if one.lag]
    left += [f"{one.name} is not healthy" for one in report.processes if not one.healthy]
    if shipper is None:
        return left
    code, body = fetch(shipper, "/status")
    lag = json.loads(body)["lag"] if code == 200 else "unknown"
    return [*left, f"the second shipper has a lag of {lag}"] if lag else left


async def _ledger(settings: Settings) -> Sequence[str]:
    db = await connect_async(settings.postgres)
    try:
        due = await audit.due_before(db, Millis(now_ms() + _SOON_MS))
        waiting = await audit.unpublished(db)
    finally:
        await db.close()
    left = [f"{due} holds end within 30 s"] if due else []
    return [*left, f"{waiting} entries wait in the outbox"] if waiting else left
