"""The facts that measures are taken from: their SQL, their dimensions, their instant.

Each is a FROM clause, an expression for each dimension, the instant that `from`, `to` and the time
dimensions look at, and the measures. What one fact cannot be split by, it has the same value for:
clicks have no goal, counts have no currency.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from services.analytics.domain.filters import SUBS, TIMES, Dimension

D = Dimension
SENT_ON = "outcome IN ('redirected', 'fallback')"
_STATE = """multiIf(
    verdict = 'reject' OR word = 'reject' OR (word = '' AND status = 'rejected'), 'rejected',
    verdict = 'hold', 'held',
    approvals > 0 OR status = 'approved', 'approved',
    'pending')"""
# What the advertiser said of each conversion: rejected or reinstated, whichever came last, approved
# at all, refunded since it was last reinstated. The ledger reads adjustments in the same way.
_WORDS = """SELECT conversion_key,
    argMaxIf(toString(kind), (recorded_at, event_id),
             kind IN ('reject', 'reinstate')) AS word,
    countIf(kind = 'approve') AS approvals,
    maxIf(recorded_at, kind IN ('refund', 'chargeback'))
        > maxIf(recorded_at, kind = 'reinstate') AS refunded
FROM adjustments_current FINAL GROUP BY conversion_key"""
# One row a credited share; a conversion nobody is credited with is one row of partner 0.
_SHARES = f"""SELECT a.conversion_key AS conversion_key, a.converted_at AS converted_at,
    a.advertiser_id AS advertiser_id, a.goal AS goal, a.country AS order_country,
    a.value_minor AS value_minor, a.currency AS currency, a.new_customer AS new_customer,
    p AS partner_id, if(o = 0, a.offer_id, o) AS offer_id, l AS link_id, c AS click_id,
    t AS clicked_at, w.refunded AS refunded, w.word AS word, w.approvals AS approvals,
    a.verdict AS verdict, a.status AS status, {_STATE} AS state
FROM (SELECT * FROM assessments_current FINAL) AS a
LEFT ARRAY JOIN share_partner_id AS p, share_offer_id AS o, share_link_id AS l,
    share_click_id AS c, share_clicked_at AS t
LEFT JOIN ({_WORDS}) AS w ON w.conversion_key = a.conversion_key"""
_CLICKS = """SELECT click_id AS of_click, any(ifNull(country, '')) AS click_country,
    any(device) AS device, any(os) AS os, any(browser) AS browser,
    any(ifNull(source, '')) AS source, any(sub) AS sub
FROM raw_tracking_clicks
WHERE click_id IN (SELECT arrayJoin(share_click_id) FROM assessments_current) GROUP BY click_id"""
_OF_CLICK = frozenset({D.COUNTRY, D.DEVICE, D.OS, D.BROWSER, D.SOURCE, *SUBS})
_COMMON = {
    D.PARTNER: "partner_id",
    D.OFFER: "offer_id",
    D.ADVERTISER: "advertiser_id",
    D.LINK: "link_id",
    D.DEVICE: "toString(device)",
    D.OS: "toString(os)",
    D.BROWSER: "toString(browser)",
}
_SUBS = {dimension: f"sub[{number}]" for number, dimension in enumerate(SUBS, 1)}
_NOBODY = "toFixedString('', 16)"


def _with_erased(topic: str, raw: str, own: str, erased: str) -> str:
    """Return the rows of a raw table and what is left of its erased ones: the numbers without the
    visitor, so that raw rows and hourly aggregates say the same (law K3)."""
    shared = "partner_id, offer_id, advertiser_id, link_id, device, os, browser"
    null = "toString(ifNull(country, '')) AS country, toString(ifNull(source, '')) AS source"
    return (
        f"(SELECT occurred_at, {shared}, {null}, sub, visitor_key, {own} FROM {raw} UNION ALL "
        f"SELECT hour AS occurred_at, {shared}, toString(country), toString(source), "
        f"CAST([], 'Array(String)') AS sub, {_NOBODY} AS visitor_key, {erased} "
        f"FROM raw_erased FINAL WHERE topic = '{topic}')"
    )


_ALL_CLICKS = _with_erased(
    "tracking.clicks",
    "raw_tracking_clicks",
    "toString(outcome) AS outcome, click_id, false AS known_invalid",
    f"toString(outcome), {_NOBODY} AS click_id, invalid AS known_invalid",
)
_ALL_IMPRESSIONS = _with_erased(
    "tracking.impressions",
    "raw_tracking_impressions",
    "toString(ifNull(reason, '')) AS reason",
    "toString(reason)",
)


class Fact(Struct, frozen=True):
    """A source of measures. `daily` measures are taken a day at a time and added up."""

    name: str
    table: str
    at: str
    columns: Mapping[Dimension, str]
    measures: Mapping[str, str]
    always: str = "1"
    daily: Mapping[str, str] = {}

    @property
    def dimensions(self) -> frozenset[Dimension]:
        """What the fact can be split by."""
        return frozenset(self.columns) | TIMES


def _click_columns(hourly: bool) -> dict[Dimension, str]:
    if hourly:
        plain = {D.COUNTRY: "toString(country)", D.SOURCE: "toString(source)"}
        return {**_COMMON, **plain}
    return {**_COMMON, D.COUNTRY: "country", D.SOURCE: "source", **_SUBS}


CLICKS_HOURLY = Fact(
    name="clicks",
    table="clicks_hourly",
    at="hour",
    columns=_click_columns(hourly=True),
    measures={"clicks_gross": "sum(clicks)"},
    always=SENT_ON,
    daily={"clicks_unique": "uniqMerge(visitors)"},
)
CLICKS_RAW = Fact(
    name="clicks",
    table=_ALL_CLICKS,
    at="occurred_at",
    columns=_click_columns(hourly=False),
    measures={"clicks_gross": "count()"},
    always=SENT_ON,
    daily={"clicks_unique": f"uniqIf(visitor_key, visitor_key != {_NOBODY})"},
)
CLICKS_INVALID = Fact(
    name="invalid",
    table=_ALL_CLICKS,
    at="occurred_at",
    columns=_click_columns(hourly=False),
    measures={"clicks_invalid": "count()"},
    always=f"{SENT_ON} AND (known_invalid OR click_id IN (SELECT click_id FROM flagged_clicks "
    "WHERE action = 'invalid'))",
)
IMPRESSIONS_HOURLY = Fact(
    name="impressions",
    table="impressions_hourly",
    at="hour",
    columns=_click_columns(hourly=True),
    measures={"impressions": "sum(impressions)"},
    always="reason = ''",
)
IMPRESSIONS_RAW = Fact(
    name="impressions",
    table=_ALL_IMPRESSIONS,
    at="occurred_at",
    columns=_click_columns(hourly=False),
    measures={"impressions": "count()"},
    always="reason = ''",
)


def _conversion_columns() -> dict[Dimension, str]:
    own = {
        D.GOAL: "toString(goal)",
        D.COUNTRY: "if(click_country = '', toString(order_country), click_country)",
        D.SOURCE: "source",
    }
    return {**_COMMON, **own, **_SUBS}


_SHARES_WITH_CLICKS = (
    f"(SELECT * FROM ({_SHARES}) AS s LEFT JOIN ({_CLICKS}) AS k ON k.of_click = s.click_id)"
)
_ELAPSED = "dateDiff('millisecond', clicked_at, converted_at)"


def _of_state(state: str) -> str:
    return f"uniqExactIf(conversion_key, state = '{state}')"


def _quantile(share: str) -> str:
    known = "toUnixTimestamp64Milli(clicked_at) > 0"
    return f"if(countIf({known}) = 0, NULL, quantileExactIf({share})({_ELAPSED}, {known}))"


def conversions(used: frozenset[Dimension]) -> Fact:
    """Counts of conversions and times to them; clicks are joined only where they are asked for."""
    return Fact(
        name="conversions",
        table=_shares(used),
        at="converted_at",
        columns=_conversion_columns(),
        measures={
            "conversions": "uniqExact(conversion_key)",
            "conversions_approved": _of_state("approved"),
            "conversions_pending": _of_state("pending"),
            "conversions_held": _of_state("held"),
            "conversions_rejected": _of_state("rejected"),
            "conversions_refunded": "uniqExactIf(conversion_key, refunded)",
            "customers_new": "uniqExactIf(conversion_key, new_customer)",
            "ctit_p50": _quantile("0.5"),
            "ctit_p90": _quantile("0.9"),
            "ctit_p99": _quantile("0.99"),
        },
    )


def orders(used: frozenset[Dimension]) -> Fact:
    """Order values by currency; a conversion of several shares counts whole, and once."""
    once = "groupUniqArrayIf((conversion_key, toInt128(value_minor)), {})"
    whole = f"arraySum(pair -> pair.2, {once})"
    return Fact(
        name="orders",
        table=_shares(used),
        at="converted_at",
        columns={**_conversion_columns(), D.CURRENCY: "toString(currency)"},
        always="currency != ''",
        measures={
            "orders": "uniqExactIf(conversion_key, state != 'rejected')",
            "order_value": whole.format("state != 'rejected'"),
            "order_value_all": whole.format("1"),
            "order_value_approved": whole.format("state = 'approved'"),
            "order_value_rejected": whole.format("state = 'rejected'"),
        },
    )


def _shares(used: frozenset[Dimension]) -> str:
    return _SHARES_WITH_CLICKS if used & _OF_CLICK else f"({_SHARES})"


def money(used: frozenset[Dimension]) -> Fact:
    """Transfers of the ledger by currency, filed under the conversion's instant."""
    table = "(SELECT * FROM ledger_current FINAL)"
    if used & (_OF_CLICK | {D.LINK}):
        table = _LEDGER_WITH_SHARES
    return Fact(
        name="money",
        table=table,
        at="at",
        columns={**_conversion_columns(), D.CURRENCY: "toString(currency)"},
        measures={
            "revenue": _net("debit", "credit", "LIKE 'advertiser:%:receivable'"),
            "commission": _net("credit", "debit", "LIKE 'partner:%'"),
            "margin": _net("credit", "debit", "= 'network:margin'"),
        },
    )


_LEDGER_WITH_SHARES = f"""(SELECT e.*, s.link_id AS link_id, s.order_country AS order_country,
    s.click_country AS click_country, s.device AS device, s.os AS os, s.browser AS browser,
    s.source AS source, s.sub AS sub
FROM (SELECT * FROM ledger_current FINAL) AS e
LEFT ANY JOIN {_SHARES_WITH_CLICKS} AS s
ON s.conversion_key = e.conversion_key AND s.partner_id = e.partner_id)"""


def _net(plus: str, minus: str, account: str) -> str:
    amount = "toInt128(amount_minor)"
    return f"sumIf({amount}, {plus} {account}) - sumIf({amount}, {minus} {account})"
