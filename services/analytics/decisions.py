"""Decisions as the column store has them, made whole again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from msgspec.structs import fields

from afflux.kernel.events import Decision
from services.analytics.domain.tables import table_of
from services.analytics.warehouse import Warehouse

_SQL = (
    f"SELECT * FROM {table_of(Decision.topic).name} WHERE conversion_key = unhex({{key:String}}) "
    "ORDER BY version, kafka_partition, kafka_offset LIMIT 10000"
)
_LISTS = ("items", "shares", "touches")
PLAIN_SHARE = ("partner_id", "offer_id", "link_id", "numerator", "denominator")
_CLICK = ("click_id", "clicked_at")
_TAGS = ("ref_id", "source", "sub", "country", "device")
Row = Mapping[str, Any]


async def decisions_of(warehouse: Warehouse, conversion_key: bytes) -> list[Decision]:
    """Return every version of a conversion's decision once, in order of version."""
    answer = await warehouse.query(_SQL, {"key": conversion_key.hex()})
    found = {row["version"]: decision_of(row) for row in answer.dicts()}
    return list(found.values())


def decision_of(row: Row) -> Decision:
    """Return the decision of a row. What was erased or has expired is empty: touches, tags."""
    plain = {
        field.name: _value(row[field.name])
        for field in fields(Decision)
        if field.name not in _LISTS
    }
    plain["items"] = _records(row["items"])
    plain["shares"] = _shares(row)
    plain["touches"] = [
        {**touch, "click_id": bytes.fromhex(touch["click_id"])}
        for touch in _records(row["touches"])
    ]
    return msgspec.convert(plain, Decision, builtin_types=(bytes,))


def shares_of(row: Row, names: Sequence[str] = PLAIN_SHARE) -> list[dict[str, Any]]:
    """Return the shares of a row from its columns `share_*`."""
    columns = [cast(Sequence[Any], row[f"share_{name}"]) for name in names]
    return [
        {name: _value(value) for name, value in zip(names, values, strict=True)}
        for values in zip(*columns, strict=True)
    ]


def _shares(row: Row) -> list[dict[str, Any]]:
    """Numbers stand in columns for ever; the tags in a JSON text that expires."""
    found, tagged = shares_of(row, (*PLAIN_SHARE, *_CLICK)), _records(row["shares"])
    if len(tagged) != len(found):
        return found
    return [
        {**share, **{name: tags[name] for name in _TAGS if name in tags}}
        for share, tags in zip(found, tagged, strict=True)
    ]


def _records(text: str) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], msgspec.json.decode(text)) if text else []


def _value(value: Any) -> Any:
    """Instants are milliseconds on the wire."""
    if isinstance(value, datetime):
        return round(value.replace(tzinfo=UTC).timestamp() * 1000)
    return value
