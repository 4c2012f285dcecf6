"""Events about the system itself: the catalogue's history, erasures, the dead letters."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct

from afflux.kernel.events.common import Binary16, Event, Instant


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


class Erasure(Event, frozen=True, kw_only=True):
    """A visitor is to be forgotten (law T5): every owner of state deletes what it holds.

    True from when it was appended, or `recorded_at` if that is later; the first of a visitor's
    erasures holds for ever.
    """

    topic: ClassVar[str] = "privacy.erasures"
    schema: ClassVar[str] = "erasure"

    visitor_key: Binary16
    author: str
    reason: str | None = None

    @property
    def key(self) -> bytes:
        return self.visitor_key


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
