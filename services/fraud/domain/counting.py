"""Valid and invalid clicks by partner, offer and hour, within one range of offsets."""

from __future__ import annotations

from collections import Counter

from afflux.kernel.events import Click, ClickCount, ReasonCount, Signal
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from services.fraud.domain.rules import CLICK_RULES

HOUR_MS = 3_600_000
_VALID = ""

Cell = tuple[int, int, int, int]
"""(tenant, partner, offer, hour)."""


def counted_reason(found: list[Signal]) -> str:
    """Return the one reason under which an invalid click counts: the first by the rules' order."""
    seen = {signal.name for signal in found}
    return next(name for name in CLICK_RULES if name in seen)


class Tally:
    """Counts of one range of offsets; every click counts once, as valid or under one reason."""

    def __init__(self) -> None:
        self._cells: dict[Cell, Counter[str]] = {}
        self._recorded_at = Millis(0)

    def add(self, click: Click, found: list[Signal]) -> None:
        """Count one judged click in the hour of its `occurred_at`."""
        hour = click.occurred_at // HOUR_MS * HOUR_MS
        cell = (click.tenant_id, click.partner_id, click.offer_id, hour)
        reason = counted_reason(found) if found else _VALID
        self._cells.setdefault(cell, Counter())[reason] += 1
        self._recorded_at = max(self._recorded_at, click.recorded_at)

    def counts(self, partition: int, from_offset: int, to_offset: int) -> list[ClickCount]:
        """Return what was counted in the offsets `from_offset` <= o < `to_offset`."""
        return [
            ClickCount(
                event_id=derive("click-count", partition, from_offset, to_offset, *cell),
                occurred_at=Millis(cell[3]),
                recorded_at=self._recorded_at,
                tenant_id=cell[0],
                partner_id=cell[1],
                offer_id=cell[2],
                hour=Millis(cell[3]),
                kind="click",
                valid=found[_VALID],
                invalid=[ReasonCount(reason=r, count=found[r]) for r in CLICK_RULES if found[r]],
                source_partition=partition,
                from_offset=from_offset,
                to_offset=to_offset,
            )
            for cell, found in sorted(self._cells.items())
        ]
