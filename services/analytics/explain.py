"""Explanations, from what the column store and the catalogue hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Decision, Share
from afflux.kernel.money import major
from services.analytics.decisions import decisions_of, shares_of
from services.analytics.domain.explanation import (
    Alternatives,
    Asked,
    Evidence,
    Explanation,
    explain,
)
from services.analytics.domain.partner_view import PartnerExplanation, Tags, for_partner
from services.analytics.domain.told import Why, why
from services.analytics.trace import plain
from services.analytics.warehouse import Warehouse

_SHADOWS = """
SELECT model, share_partner_id, share_offer_id, share_link_id, share_numerator, share_denominator
FROM raw_attribution_shadow
WHERE conversion_key = unhex({key:String}) AND decision_id = unhex({decision:String})
ORDER BY model, recorded_at
"""
_ASKED = """
SELECT DISTINCT toUnixTimestamp64Milli(known_at), author, reason_text
FROM raw_attribution_redecisions WHERE conversion_key = unhex({key:String}) ORDER BY 1
"""
# Law K4: the scope stands in every statement of the partner's rendering.
_OWN_IDS = "SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16)"
_TAGS = " UNION ALL ".join(
    f"SELECT lower(hex({column})), partner_id, ref_id, source, sub FROM {table} "
    f"WHERE partner_id = {{partner:Int64}} AND {column} IN ({_OWN_IDS})"
    for table, column in (
        ("raw_tracking_clicks", "click_id"),
        ("raw_tracking_impressions", "impression_id"),
    )
)
_MONEY = """
SELECT DISTINCT chain, sequence, occurred_at, debit, credit, amount_minor, currency, reason
FROM raw_payouts_commissions
WHERE conversion_key = unhex({key:String}) AND partner_id = {partner:Int64}
    AND (startsWith(debit, {accounts:String}) OR startsWith(credit, {accounts:String}))
ORDER BY chain, sequence
"""
_VERDICT = """
SELECT verdict FROM assessments_current FINAL
WHERE conversion_key = unhex({key:String}) AND has(share_partner_id, {partner:Int64})
"""
_SAID = """
SELECT kind, occurred_at FROM adjustments_current FINAL
WHERE conversion_key = unhex({key:String}) ORDER BY occurred_at, kind
"""


class Offers(Protocol):
    """Where the catalogue is looked up."""

    @property
    def view(self) -> Catalog: ...


class Explainer(Struct, frozen=True):
    """What explanations need beside the rows.

    `alternatives` are attribution's models, given by whoever wires the services together: services
    do not import each other. `grace_ms`: log time in which a decision may be revised.
    """

    offers: Offers
    alternatives: Alternatives
    grace_ms: int


class Said(Struct, frozen=True):
    """What the advertiser said of a conversion later."""

    kind: str
    occurred_at: str


class Movement(Struct, frozen=True):
    """Commission that moved: from and to the partner's own accounts (None: not the partner's)."""

    occurred_at: str
    amount: str
    currency: str
    source: str | None
    target: str | None
    reason: Why | None


class PartnerTrace(Struct, frozen=True):
    """What a partner may know of a conversion."""

    explanation: PartnerExplanation
    verdict: str | None
    advertiser_said: list[Said]
    commission: list[Movement]


async def explanation(warehouse: Warehouse, explainer: Explainer, key: bytes) -> Explanation | None:
    """Return the operator's rendering; None while nothing is decided."""
    decisions = await decisions_of(warehouse, key)
    if not decisions:
        return None
    now, catalog = decisions[-1], explainer.offers.view
    return explain(
        Evidence(
            decisions,
            catalog,
            explainer.alternatives(now, catalog),
            await _shadows(warehouse, now),
            await _asked(warehouse, key),
            explainer.grace_ms,
        )
    )


async def partner_trace(
    warehouse: Warehouse, explainer: Explainer, key: bytes, partner_id: int
) -> PartnerTrace | None:
    """Return the partner's rendering; None if the partner has nothing to do with the conversion,
    or nobody has."""
    decisions = await decisions_of(warehouse, key)
    if not decisions:
        return None
    catalog = explainer.offers.view
    others = explainer.alternatives(decisions[-1], catalog)
    tags = await _tags(warehouse, decisions[-1], partner_id)
    told = for_partner(partner_id, decisions, catalog, others, tags)
    if told is None:
        return None
    scope = {"key": key.hex(), "partner": partner_id}
    return PartnerTrace(
        told,
        await _verdict(warehouse, scope) if told.credited else None,
        await _said(warehouse, key) if told.credited else [],
        await _money(warehouse, scope),
    )


async def _shadows(warehouse: Warehouse, now: Decision) -> Mapping[str, Sequence[Share]]:
    values = {"key": now.conversion_key.hex(), "decision": now.event_id.hex()}
    answer = await warehouse.query(_SHADOWS, values)
    return {row["model"]: msgspec.convert(shares_of(row), list[Share]) for row in answer.dicts()}


async def _asked(warehouse: Warehouse, key: bytes) -> list[Asked]:
    answer = await warehouse.query(_ASKED, {"key": key.hex()})
    return [Asked(known_at, str(author), str(text)) for known_at, author, text in answer.rows]


async def _tags(warehouse: Warehouse, now: Decision, partner_id: int) -> dict[str, Tags]:
    ids = [touch.click_id.hex() for touch in now.touches if touch.partner_id == partner_id]
    if not ids:
        return {}
    answer = await warehouse.query(_TAGS, {"ids": ids, "partner": partner_id})
    return {
        str(touch): Tags(partner, ref_id, source, list(sub))
        for touch, partner, ref_id, source, sub in answer.rows
    }


async def _verdict(warehouse: Warehouse, scope: Mapping[str, Any]) -> str | None:
    rows = (await warehouse.query(_VERDICT, scope)).rows
    return str(rows[0][0]) if rows else None


async def _said(warehouse: Warehouse, key: bytes) -> list[Said]:
    answer = await warehouse.query(_SAID, {"key": key.hex()})
    return [Said(str(kind), plain(at)) for kind, at in answer.rows]


async def _money(warehouse: Warehouse, scope: Mapping[str, Any]) -> list[Movement]:
    accounts = f"partner:{scope['partner']}:"
    answer = await warehouse.query(_MONEY, {**scope, "accounts": accounts})
    return [
        Movement(
            plain(row["occurred_at"]),
            major(row["amount_minor"], row["currency"]),
            row["currency"],
            _own(row["debit"], accounts),
            _own(row["credit"], accounts),
            why(row["reason"]),
        )
        for row in answer.dicts()
    ]


def _own(account: str, accounts: str) -> str | None:
    return account.removeprefix(accounts) if account.startswith(accounts) else None
