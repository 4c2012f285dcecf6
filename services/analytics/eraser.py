"""Erases visitors in the column store, now and whatever of them is stored later.

The sink stores a batch, then asks here, then marks the batch done: a crash in between repeats all
of it. Whose rows are to go stands in `raw_privacy_erasures`, which every process looks at behind
its own insert. So either the one that stores an erasure finds the rows, or the one that stores the
rows finds the erasure.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from afflux.runtime import metrics
from afflux.runtime.log import get_logger
from services.analytics.domain import erasure
from services.analytics.warehouse import Warehouse

log = get_logger(__name__)


class _Keys:
    """The 16-byte keys of a small table that only grows, read again when its count changes."""

    def __init__(self, warehouse: Warehouse, table: str, column: str) -> None:
        self._warehouse = warehouse
        self._table = table
        self._column = column
        self._count = 0
        self._keys: frozenset[bytes] = frozenset()

    async def __call__(self) -> frozenset[bytes]:
        """Return the keys that stand in the table now."""
        (row,) = (await self._warehouse.query(f"SELECT count() FROM {self._table}")).rows
        if row[0] != self._count:
            answer = await self._warehouse.query(f"SELECT {self._column} FROM {self._table}")
            self._keys = frozenset(bytes(key) for (key,) in answer.rows)
            self._count = len(answer.rows)
        return self._keys


class Eraser:
    """Follows the sink: call `after` behind every insert."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._visitors = _Keys(warehouse, "raw_privacy_erasures", "visitor_key")
        self._conversions = _Keys(warehouse, "erased_conversions", "conversion_key")

    async def after(self, topic: str, rows: pl.DataFrame | None) -> None:
        """Erase what a batch of `topic` asks to, or has stored of erased visitors."""
        if rows is None:
            return
        if topic == erasure.ERASURES:
            await self._erase(_values(rows, "visitor_key"), erasure.BY_VISITOR)
        elif topic in erasure.BY_VISITOR:
            if (known := await self._visitors()) and (hit := known & _values(rows, "visitor_key")):
                await self._erase(hit, (topic,))
        elif topic in erasure.DECIDED and (keys := await self._conversions()):
            await self._blank(keys & _values(rows, "conversion_key"))

    async def _erase(self, visitors: Iterable[bytes], topics: Iterable[str]) -> None:
        some = sorted(visitors)
        for topic in topics:
            if topic == erasure.CONVERSIONS:
                answer = await self._warehouse.query(erasure.conversions_sql(some))
                await self._blank({bytes(key) for (key,) in answer.rows})
                continue
            (row,) = (await self._warehouse.query(erasure.found_sql(topic, some))).rows
            if row[0]:
                await self._warehouse.run(erasure.delete_sql(topic, some))
                metrics.ERASED_ROWS.labels(topic).inc(row[0])
        log.info("visitors_erased", visitors=len(some))

    async def _blank(self, keys: Iterable[bytes]) -> None:
        if some := sorted(keys):
            await self._warehouse.run(erasure.blank_sql(some))
            metrics.ERASED_ROWS.labels(erasure.CONVERSIONS).inc(len(some))


def _values(rows: pl.DataFrame, column: str) -> frozenset[bytes]:
    return frozenset(rows[column].drop_nulls().unique().to_list())
