"""Conversions to be decided again: found in the log, previewed, asked for."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from afflux.kernel.events import Conversion, Decision, Redecision, Result
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from afflux.runtime.catalog_store import load_catalog, sleep_until
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.producer import Publisher
from afflux.runtime.settings import Settings
from services.attribution.domain.preview import Preview, preview

_CHUNK = 1_000


class Which(Struct, frozen=True):
    """Which conversions are meant; None and an empty set mean all.

    `reason` is a reason code of a decision that credits nobody; `attributed` also takes those
    that credit somebody. Instants are those of the order, from inclusive, to exclusive.
    """

    advertiser_id: int | None = None
    offer_id: int | None = None
    goal: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    reason: str | None = None
    keys: frozenset[bytes] = frozenset()

    def takes(self, decision: Decision) -> bool:
        """Return whether a conversion with this decision is meant."""
        offers = {decision.offer_id, *(touch.offer_id for touch in decision.touches)}
        return (
            self.advertiser_id in (None, decision.advertiser_id)
            and (self.offer_id is None or self.offer_id in offers)
            and self.goal in (None, decision.goal)
            and (self.since is None or decision.occurred_at >= self.since)
            and (self.until is None or decision.occurred_at < self.until)
            and (self.reason is None or self._has_reason(decision))
            and (not self.keys or decision.conversion_key in self.keys)
        )

    def _has_reason(self, decision: Decision) -> bool:
        return decision.result is Result.UNATTRIBUTED and decision.reason == self.reason


class Plan(Struct, frozen=True):
    """The conversions that are meant, as they are and as they would be known at `known_at`."""

    known_at: Millis
    previews: tuple[Preview, ...]


async def plan(settings: Settings, which: Which) -> Plan:
    """Read the log and the catalogue; nothing is written.

    Errors: Refused when PostgreSQL does not answer, KafkaError when Kafka does not.
    """
    catalog = await load_catalog(settings)
    known_at = max(now_ms(), catalog.newest_recorded_at)
    codec = Codec.load()
    standing = await _standing(settings, codec, which)
    reports = await _reports(settings, codec, standing)
    previews = [
        preview(reports[key], decision, catalog, known_at)
        for key, decision in standing.items()
        if key in reports
    ]
    previews.sort(key=lambda each: (each.now.occurred_at, each.now.conversion_key))
    return Plan(known_at, tuple(previews))


async def ask(
    settings: Settings, chosen: Sequence[Preview], known_at: Millis, author: str, note: str
) -> None:
    """Publish the requests; attribution answers each with a decision if it changes anything."""
    await sleep_until(known_at)  # a change of the catalogue is published before it is known
    publisher = Publisher(settings, Codec.load(), "redecide")
    await publisher.start()
    try:
        for start in range(0, len(chosen), _CHUNK):
            some = chosen[start : start + _CHUNK]
            await publisher.publish([_request(each, known_at, author, note) for each in some])
    finally:
        await publisher.stop()


def _request(chosen: Preview, known_at: Millis, author: str, note: str) -> Redecision:
    conversion = chosen.conversion
    return Redecision(
        event_id=derive("redecision", conversion.conversion_key, known_at),
        occurred_at=conversion.occurred_at,
        recorded_at=known_at,
        tenant_id=conversion.tenant_id,
        known_at=known_at,
        author=author,
        reason_text=note,
        conversion=conversion,
    )


async def _standing(settings: Settings, codec: Codec, which: Which) -> dict[bytes, Decision]:
    """Return the decisions that stand now and are meant, by conversion key."""
    versions: dict[bytes, int] = {}
    standing: dict[bytes, Decision] = {}
    async for records in read_topic(settings, [Decision.topic], codec):
        for record in records:
            decision = record.event
            assert isinstance(decision, Decision)
            key = decision.conversion_key
            if decision.version < versions.get(key, 0):
                continue
            versions[key] = decision.version
            standing.pop(key, None)
            if which.takes(decision):
                standing[key] = decision
    return standing


async def _reports(
    settings: Settings, codec: Codec, standing: dict[bytes, Decision]
) -> dict[bytes, Conversion]:
    """Return the reports that these decisions are about."""
    reports: dict[bytes, Conversion] = {}
    async for records in read_topic(settings, [Conversion.topic], codec):
        for record in records:
            report = record.event
            assert isinstance(report, Conversion)
            decision = standing.get(report.conversion_key)
            if decision is not None and decision.body_hash == report.body_hash:
                reports.setdefault(report.conversion_key, report)
    return reports
