"""Events about the system itself: the catalogue's history and the dead letters."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct

from afflux.kernel.events.common import Event, Instant


class Operation(StrEnum):
    """What happened to an entity."""

    PUT = "put"
    DELETE = "delete"


class CatalogChange(Event, frozen=True, kw_only=True):
    """One version of one entity; `body` is its JSON (kernel/catalog names the record types).

    Bitemporal: true from `valid_from` until `valid_to`, known from `recorded_at`.
    """

    topic: ClassVar[str] = "catalog.changes"
    schema: ClassVar[str] = "catalog-change"

    kind: str
    entity_id: str
    version: int
    valid_from: Instant
    valid_to: Instant | None = None
    operation: Operation
    body: str
    author: str
    reason: str | None = None

    @property
    def key(self) -> bytes:
        return f"{self.kind}/{self.entity_id}".encode()


class Header(Struct, frozen=True, kw_only=True):
    """A Kafka header as it was."""

    name: str
    value: bytes


class DeadLetterRecord(Event, frozen=True, kw_only=True):
    """A record nobody could process: its bytes untouched, where it stood, and why."""

    topic: ClassVar[str] = "deadletters"
    schema: ClassVar[str] = "dead-letter"

    origin_topic: str
    origin_partition: int
    origin_offset: int
    origin_key: bytes | None = None
    origin_value: bytes | None = None
    headers: list[Header] = []
    stage: str
    reason: str
    error: str
    attempts: int = 1

    @property
    def key(self) -> bytes:
        return self.origin_topic.encode()
