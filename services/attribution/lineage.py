"""What a partition's state says of its own past, and what it is told when it is not the newest.

A state that was restored, built anew, or left behind by another owner does not know what was
published since. Every version of a decision is at least the owner epoch that published it, and
rises above the version before it by the difference of the epochs (README, Versions). So an epoch
above every version published since puts all that follows above all that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from afflux.kernel.events import Click, ClickFlag, Conversion, Decision
from afflux.kernel.types import Millis
from services.attribution import rows
from services.attribution.rows import Meta
from services.attribution.table import Table

Settled = tuple[bytes, bytes]
"""Conversion key and body hash of a report whose decision stands."""


def meta_of(table: Table) -> Meta:
    """Return where the partition stands."""
    return rows.unpack_meta(table.multi_get([rows.META])[0])


def offsets_of(table: Table) -> Mapping[str, int]:
    """Return the next offsets by topic."""
    meta = meta_of(table)
    return {
        Click.topic: meta.progress.clicks_next,
        ClickFlag.topic: meta.flags_next,
        Conversion.topic: meta.conversions_next,
    }


def published_ends(table: Table) -> Mapping[int, int]:
    """Return offsets of attribution.decisions below which the state knows all of its decisions."""
    return rows.unpack_ends(table.multi_get([rows.PUBLISHED])[0])


def note_published(table: Table, ends: Mapping[int, int]) -> None:
    """Keep `published_ends`: as they were after the last commit and before the next batch."""
    table.apply({rows.PUBLISHED: rows.encode(dict(ends))})


def rise_above(table: Table, version: int) -> None:
    """Let every version from the next epoch on be above `version`."""
    meta = meta_of(table)
    changed = msgspec.structs.replace(meta, epoch=max(meta.epoch, version), clean=False)
    table.apply({rows.META: rows.encode(changed)})


def begin_at(table: Table, clicks_next: int, flags_next: int) -> None:
    """Read clicks and flags from these offsets on: what is before them is not wanted."""
    meta = meta_of(table)
    progress = msgspec.structs.replace(meta.progress, clicks_next=clicks_next)
    changed = msgspec.structs.replace(meta, progress=progress, flags_next=flags_next)
    table.apply({rows.META: rows.encode(changed)})


def leave_decided(table: Table, settled: Iterable[Settled]) -> None:
    """Know the reports whose decision stands: reading them again decides nothing."""
    table.apply({rows.known_key(key): body for key, body in settled})


class Standing:
    """Tells, of the decisions that were published, which ones stand: their grace is over.

    A state that is built anew from the log may miss clicks that the log no longer holds. What was
    decided with them stands; only what the grace still covers is decided again.
    """

    def __init__(self, grace_ms: int) -> None:
        self._grace_ms = grace_ms
        self._newest = Millis(0)
        self._open: dict[bytes, tuple[Millis, bytes]] = {}
        self._swept = Millis(0)

    def take(self, decisions: Sequence[Decision]) -> list[Settled]:
        """Note decisions in the order of the log and return those that stand as of now."""
        for one in decisions:
            self._newest = max(self._newest, one.reported_at)
            self._open[one.conversion_key] = one.reported_at, one.body_hash
        if self._newest - self._swept < self._grace_ms // 20:
            return []
        self._swept = self._newest
        return self.standing()

    def standing(self) -> list[Settled]:
        """Return those that stand as of now, once."""
        over = [
            (key, body)
            for key, (reported_at, body) in self._open.items()
            if reported_at + self._grace_ms < self._newest
        ]
        for key, _ in over:
            del self._open[key]
        return over
