"""The statements that erase visitors (law T5): rows are deleted, their numbers stay.

A deleted row leaves one in `raw_erased`: its place, hash and amount (law K1) and what the hourly
aggregates say of it anyway (law K3). Conversions and what was decided about them are the evidence
for money: their rows stay and lose visitor, clicks and customer. Every list may be run again: what
is gone is not found, and `raw_erased` is read with FINAL.

ClickHouse keeps the text of a mutation (`mutation_*.txt`, system.mutations), so none names a
visitor or a click: rows are deleted by their place, which stands in `raw_erased` already. So no row
goes without its numbers either, whatever another process stores in between.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from services.analytics.domain.tables import TABLES

ERASED = "raw_erased"
CLICKS, IMPRESSIONS, FLAGS = "tracking.clicks", "tracking.impressions", "fraud.click-flags"
CONVERSIONS, ERASURES = "tracking.conversions", "privacy.erasures"
DECIDED = ("attribution.decisions", "fraud.assessments")
DELETED = (CLICKS, IMPRESSIONS, FLAGS)
"""Topics whose rows are deleted, in this order: clicks look their flags up before those go."""
BY_VISITOR = (*DELETED, CONVERSIONS)

_INVALID = "click_id IN (SELECT click_id FROM flagged_clicks WHERE action = 'invalid')"
_NO_ID = "nullIf(materialize(toFixedString('', 16)), toFixedString('', 16))"
"""A bare NULL sets the null mask of the column and leaves the value under it in the parts."""

_NO_CLICKS = "arrayMap(id -> CAST(NULL, 'Nullable(FixedString(16))'), {})"

_NO_IDS = "replaceRegexpAll(reasons, '[0-9a-f]{32}', 'erased')"
"""Reasons name the clicks they judged."""


class _Left(Struct, frozen=True):
    """What stays of a deleted row beside its place and hash, as SQL."""

    amount: str = "0"
    partner: str = "partner_id"
    offer: str = "offer_id"
    advertiser: str = "advertiser_id"
    link: str = "link_id"
    country: str = "ifNull(country, '')"
    device: str = "device"
    os: str = "os"
    browser: str = "browser"
    source: str = "ifNull(source, '')"
    outcome: str = "''"
    reason: str = "ifNull(reason, '')"
    invalid: str = "false"


_LEFT = {
    CLICKS: _Left(amount="ifNull(cost_minor, 0)", outcome="outcome", invalid=_INVALID),
    IMPRESSIONS: _Left(),
    FLAGS: _Left(
        partner="ifNull(partner_id, 0)",
        offer="ifNull(offer_id, 0)",
        advertiser="0",
        link="ifNull(link_id, 0)",
        country="''",
        device="''",
        os="''",
        browser="''",
        source="''",
        reason="action",
    ),
}


def ids(values: Iterable[bytes]) -> str:
    """Return 16-byte ids as an SQL tuple; hexadecimal digits alone come from the values."""
    some = [f"toFixedString(unhex('{value.hex()}'), 16)" for value in sorted(values)]
    return f"({', '.join(some)})"


def found_sql(topic: str, visitors: Iterable[bytes]) -> str:
    """Return the query that counts the rows of these visitors."""
    return f"SELECT count() FROM {TABLES[topic].name} WHERE visitor_key IN {ids(visitors)}"


def delete_sql(topic: str, visitors: Iterable[bytes]) -> list[str]:
    """Return the statements that delete a topic's rows of these visitors, numbers first."""
    name, whose = TABLES[topic].name, f"visitor_key IN {ids(visitors)}"
    counted = (
        "(kafka_partition, kafka_offset) IN "
        f"(SELECT kafka_partition, kafka_offset FROM {ERASED} WHERE topic = '{topic}')"
    )
    left = _LEFT[topic]
    shown = ", ".join(getattr(left, field) for field in left.__struct_fields__[1:])
    statements = [
        f"INSERT INTO {ERASED} SELECT kafka_partition, kafka_offset, kafka_day, row_hash, "
        f"'{topic}', {left.amount}, toStartOfHour(occurred_at), {shown} FROM {name} WHERE {whose} "
        "SETTINGS max_partitions_per_insert_block = 0"
    ]
    if topic == FLAGS:
        flagged = f"SELECT assumeNotNull(click_id) FROM {name} WHERE {counted}"
        statements.append(_mutation("flagged_clicks", f"DELETE WHERE click_id IN ({flagged})"))
    return [*statements, _mutation(name, f"DELETE WHERE {counted}")]


def conversions_sql(visitors: Iterable[bytes]) -> str:
    """Return the query for the keys of these visitors' conversions."""
    return (
        f"SELECT DISTINCT conversion_key FROM {TABLES[CONVERSIONS].name} "
        f"WHERE visitor_key IN {ids(visitors)}"
    )


def blank_sql(keys: Iterable[bytes]) -> list[str]:
    """Return the statements that take the person out of conversions and their decisions.

    The conversions come last: an interrupted run finds their keys again.
    """
    some = sorted(keys)
    whose = f"conversion_key IN {ids(some)}"
    rows = ", ".join(f"(unhex('{key.hex()}'))" for key in some)
    decided = _NO_CLICKS.format("decided_share_click_id")
    none = "arrayMap(id -> toFixedString('', 16), share_click_id)"
    return [
        f"INSERT INTO erased_conversions VALUES {rows}",
        _mutation(
            "raw_attribution_decisions",
            f"UPDATE touches = '[]', share_click_id = {_NO_CLICKS.format('share_click_id')}, "
            f"shares = '[]', customer_key = {_NO_ID}, bound_by = {_NO_ID} WHERE {whose}",
        ),
        _mutation(
            "raw_fraud_assessments",
            f"UPDATE decided_touches = '[]', decided_share_click_id = {decided}, "
            f"decided_shares = '[]', decided_customer_key = {_NO_ID}, "
            f"decided_bound_by = {_NO_ID}, "
            f"reasons = {_NO_IDS} WHERE {whose}",
        ),
        _mutation("assessments_current", f"UPDATE share_click_id = {none} WHERE {whose}"),
        _mutation(
            "raw_tracking_conversions",
            f"UPDATE visitor_key = {_NO_ID}, click_id = {_NO_ID}, customer_key = {_NO_ID} "
            f"WHERE {whose}",
        ),
    ]


def _mutation(table: str, action: str) -> str:
    """Return a mutation that is over when it returns."""
    return f"ALTER TABLE {table} {action} SETTINGS mutations_sync = 2"
