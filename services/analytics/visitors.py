"""What the column store holds of a visitor."""

from __future__ import annotations

from services.analytics.domain.erasure import BY_VISITOR, found_sql
from services.analytics.domain.tables import TABLES
from services.analytics.trace import plain
from services.analytics.warehouse import Warehouse

_ASKED = """SELECT min(greatest(recorded_at, occurred_at)), count() FROM raw_privacy_erasures
WHERE visitor_key = toFixedString(unhex({key:String}), 16)"""


async def visitor(warehouse: Warehouse, key: bytes) -> dict[str, object]:
    """Return the rows of a visitor by table, and since when it is erased (None: it is not)."""
    counts = {}
    for topic in BY_VISITOR:
        (row,) = (await warehouse.query(found_sql(topic, [key]))).rows
        counts[TABLES[topic].name] = int(row[0])
    (asked,) = (await warehouse.query(_ASKED, {"key": key.hex()})).rows
    return {
        "visitor_key": key.hex(),
        "rows": counts,
        "erased_at": plain(asked[0]) if asked[1] else None,
    }
