"""How long ClickHouse keeps what could lead to a person: a TTL a column (law T5).

An expired value becomes empty; the row, its place and its hash stay, so laws K1 and K3 hold. Time
counts from `recorded_at`.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.analytics.domain.tables import TABLES

_HITS = ("tracking.clicks", "tracking.impressions")
_AGENT = ("user_agent", "referrer_path")
_ADDRESS = ("ip_prefix", "ip_hash")
_SUBS = ("sub", "ref_id")

COLUMNS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "agent": tuple((topic, name) for topic in _HITS for name in _AGENT),
    "address": tuple((topic, name) for topic in _HITS for name in _ADDRESS),
    "sub": (
        *((topic, name) for topic in _HITS for name in _SUBS),
        ("attribution.decisions", "shares"),
        ("fraud.assessments", "decided_shares"),
    ),
    "visitor": (
        *((topic, "visitor_key") for topic in _HITS),
        ("fraud.click-flags", "visitor_key"),
    ),
    "rejection": (
        ("tracking.rejections", "query"),
        ("tracking.rejections", "body"),
        ("deadletters", "origin_key"),
        ("deadletters", "origin_value"),
    ),
}
"""Topic and column by the setting AFFLUX_RETENTION_<name>_DAYS that rules them."""


def statements(days: Mapping[str, int], tables: Mapping[str, str]) -> list[str]:
    """Return the changes that give every column its TTL.

    `days` by name of the setting, 0 for ever; `tables`: the CREATE statement of each table, which
    says what is so already.
    """
    found = []
    for name, columns in COLUMNS.items():
        for topic, column in columns:
            table = TABLES[topic].name
            kind = next(c.type for c in TABLES[topic].columns if c.name == column)
            plain = f"`{column}` {kind}"
            ttl = f"TTL toDateTime(recorded_at) + toIntervalDay({days[name]})"
            is_so = f"{plain} {ttl}" if days[name] else f"{plain},"
            if is_so in tables[table]:
                continue
            change = f"{plain} {ttl}" if days[name] else f"{column} REMOVE TTL"
            found.append(
                f"ALTER TABLE {table} MODIFY COLUMN {change} "
                "SETTINGS materialize_ttl_after_modify = 0"
            )
    return found
