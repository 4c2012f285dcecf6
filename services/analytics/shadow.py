"""Asks the column store what a trial run would move.

A row of `shadow_current` counts while its version is that of the decision that stands; one whose
decision was replaced by one of another offer is left out.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from afflux.kernel.types import Millis
from services.analytics.domain.shadow_report import SCALE, Amounts, ShadowReport, Sums, report
from services.analytics.warehouse import Warehouse

_FOREVER = 1 << 53


class ShadowQuery(Struct, frozen=True):
    """Which trial run, and the conversions in [start, end)."""

    offer: int
    model: str
    goal: str | None = None
    start: Millis | None = None
    end: Millis | None = None


def _weights(side: str) -> str:
    """Parts of 10^9 of each share; what rounding leaves goes to the first, so they sum to 10^9."""
    each = (
        f"arrayMap((n, d) -> toInt64(intDiv(toInt256(n) * {SCALE}, d)), "
        f"{side}share_numerator, {side}share_denominator)"
    )
    return (
        f"arrayMap((w, i) -> w + if(i = 1, {SCALE} - arraySum({each}), 0), {each}, "
        f"arrayEnumerate({side}share_partner_id))"
    )


_RUNS = """
SELECT s.* FROM (
    SELECT * FROM shadow_current FINAL
    WHERE offer_id = {offer:Int64} AND model = {model:String}
        AND ({goal:String} = '' OR goal = {goal:String})
        AND toUnixTimestamp64Milli(converted_at) >= {start:Int64}
        AND toUnixTimestamp64Milli(converted_at) < {end:Int64}
) AS s INNER JOIN (
    SELECT conversion_key, max(version) AS stands FROM raw_attribution_decisions
    WHERE conversion_key IN (
        SELECT conversion_key FROM shadow_current
        WHERE offer_id = {offer:Int64} AND model = {model:String}
    )
    GROUP BY conversion_key
) AS d ON d.conversion_key = s.conversion_key AND d.stands = s.version
"""
# One line a conversion, side and partner; `part` of 10^9, `side` 0 is what was given.
_PARTS = f"""
SELECT conversion_key, value_minor, toString(currency) AS currency, line.1 AS side,
    line.2 AS partner, line.3 AS part
FROM ({_RUNS}) ARRAY JOIN arrayConcat(
    arrayMap((p, w) -> (0, p, w), real_share_partner_id, {_weights("real_")}),
    arrayMap((p, w) -> (1, p, w), share_partner_id, {_weights("")})
) AS line
"""
_LEDGER = f"""
SELECT conversion_key, partner_id AS partner, toString(currency) AS currency,
    sumIf(toInt128(amount_minor), credit LIKE 'partner:%')
    - sumIf(toInt128(amount_minor), debit LIKE 'partner:%') AS minor
FROM (SELECT * FROM ledger_current FINAL)
WHERE conversion_key IN (SELECT conversion_key FROM ({_RUNS}))
GROUP BY conversion_key, partner, currency
"""
_COUNTS = f"""
SELECT count(), countIf(empty(share_partner_id) AND notEmpty(real_share_partner_id)),
    countIf(notEmpty(share_partner_id) AND empty(real_share_partner_id)) FROM ({_RUNS})
"""
_CREDITED = f"""
SELECT partner, sumIf(toInt128(part), side = 0), sumIf(toInt128(part), side = 1)
FROM ({_PARTS}) GROUP BY partner ORDER BY partner
"""
_ORDERS = f"""
SELECT partner, currency, sumIf(toInt256(value_minor) * part, side = 0),
    sumIf(toInt256(value_minor) * part, side = 1)
FROM ({_PARTS}) WHERE currency != '' GROUP BY partner, currency
"""
_REAL = f"SELECT partner, currency, sum(minor) FROM ({_LEDGER}) GROUP BY partner, currency"
_SHADOW = f"""
SELECT p.partner AS partner, m.currency AS currency, sum(toInt256(m.whole) * p.part)
FROM (SELECT * FROM ({_PARTS}) WHERE side = 1) AS p INNER JOIN (
    SELECT conversion_key, currency, sum(minor) AS whole FROM ({_LEDGER})
    GROUP BY conversion_key, currency
) AS m ON m.conversion_key = p.conversion_key
GROUP BY partner, currency
"""
_LOST = f"""
SELECT currency, sum(minor) FROM ({_LEDGER})
WHERE conversion_key NOT IN (SELECT conversion_key FROM ({_RUNS}) WHERE notEmpty(share_partner_id))
GROUP BY currency
"""


async def shadow_report(warehouse: Warehouse, asked: ShadowQuery) -> ShadowReport:
    """Return what the trial run would move; rows are none where it has not run."""
    values = {
        "offer": asked.offer,
        "model": asked.model,
        "goal": asked.goal or "",
        "start": asked.start or 0,
        "end": _FOREVER if asked.end is None else asked.end,
    }

    async def rows(sql: str) -> Any:
        return (await warehouse.query(sql, values)).rows

    ((count, only_real, only_shadow),) = await rows(_COUNTS)
    amounts: dict[tuple[int, str], Amounts] = {}

    def add(partner: Any, currency: Any, more: Amounts) -> None:
        place = (int(partner), str(currency))
        amounts[place] = amounts.get(place, Amounts()) + more

    for partner, currency, real, trial in await rows(_ORDERS):
        add(partner, currency, Amounts(order_real=int(real), order_shadow=int(trial)))
    for partner, currency, minor in await rows(_REAL):
        add(partner, currency, Amounts(commission_real=int(minor) * SCALE))
    for partner, currency, scaled in await rows(_SHADOW):
        add(partner, currency, Amounts(commission_shadow=int(scaled)))
    credited = {int(p): (int(real), int(trial)) for p, real, trial in await rows(_CREDITED)}
    lost = {str(currency): int(minor) for currency, minor in await rows(_LOST)}
    sums = Sums(int(count), int(only_real), int(only_shadow), credited, amounts, lost)
    return report(asked.offer, asked.model, asked.goal, sums)
