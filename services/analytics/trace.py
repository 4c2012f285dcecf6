"""Everything the log says about one conversion, in the order of the pipeline."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from services.analytics.domain.tables import TABLES
from services.analytics.warehouse import Warehouse


class Stage(StrEnum):
    """The parts of a trace, in order."""

    CLICKS = "clicks"
    IMPRESSIONS = "impressions"
    FLAGS = "flags"
    CONVERSIONS = "conversions"
    REJECTIONS = "rejections"
    ADJUSTMENTS = "adjustments"
    REDECISIONS = "redecisions"
    DECISIONS = "decisions"
    SHADOWS = "shadows"
    ASSESSMENTS = "assessments"
    ENTRIES = "entries"


_BY_CONVERSION = {
    Stage.CONVERSIONS: "tracking.conversions",
    Stage.REJECTIONS: "tracking.rejections",
    Stage.ADJUSTMENTS: "tracking.adjustments",
    Stage.REDECISIONS: "attribution.redecisions",
    Stage.DECISIONS: "attribution.decisions",
    Stage.SHADOWS: "attribution.shadow",
    Stage.ASSESSMENTS: "fraud.assessments",
    Stage.ENTRIES: "payouts.commissions",
}
_BY_TOUCH = {
    Stage.CLICKS: ("tracking.clicks", "click_id"),
    Stage.IMPRESSIONS: ("tracking.impressions", "impression_id"),
    Stage.FLAGS: ("fraud.click-flags", "click_id"),
}
# The click a report names, and the touches of the journey that attribution looked at.
_TOUCH_IDS = """
SELECT DISTINCT id FROM (
    SELECT assumeNotNull(click_id) AS id FROM raw_tracking_conversions
    WHERE conversion_key = unhex({key:String}) AND click_id IS NOT NULL
    UNION ALL
    SELECT toFixedString(unhex(JSONExtractString(touch, 'click_id')), 16) AS id
    FROM raw_attribution_decisions ARRAY JOIN JSONExtractArrayRaw(touches) AS touch
    WHERE conversion_key = unhex({key:String})
)
"""
_ORDER = "ORDER BY recorded_at, kafka_partition, kafka_offset LIMIT 10000"

Rows = list[dict[str, Any]]


async def trace(warehouse: Warehouse, conversion_key: bytes) -> dict[str, Rows]:
    """Return the rows of every stage about a conversion; ids as hexadecimal text."""
    found: dict[str, Rows] = {stage.value: [] for stage in Stage}
    for stage, topic in _BY_CONVERSION.items():
        where = "conversion_key = unhex({key:String})"
        found[stage] = await _rows(warehouse, topic, where, {"key": conversion_key.hex()})
    answer = await warehouse.query(_TOUCH_IDS, {"key": conversion_key.hex()})
    ids = [bytes(row[0]).hex() for row in answer.rows]
    for stage, (topic, column) in _BY_TOUCH.items() if ids else ():
        where = f"{column} IN (SELECT toFixedString(unhex(arrayJoin({{ids:Array(String)}})), 16))"
        found[stage] = await _rows(warehouse, topic, where, {"ids": ids})
    return found


async def _rows(warehouse: Warehouse, topic: str, where: str, parameters: dict[str, Any]) -> Rows:
    sql = f"SELECT * FROM {TABLES[topic].name} WHERE {where} {_ORDER}"
    answer = await warehouse.query(sql, parameters)
    return [{name: plain(value) for name, value in row.items()} for row in answer.dicts()]


def plain(value: Any) -> Any:
    """Return a value as JSON has it: ids in hexadecimal, instants as ISO 8601 in UTC."""
    match value:
        case bytes():
            return value.hex()
        case datetime():
            text = value.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
            return text.replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value
