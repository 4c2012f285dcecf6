"""The catalogue as it was at an instant, as known at another: a bitemporal view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct

from afflux.kernel.catalog.entities import ENTITY_TYPES, Entity
from afflux.kernel.events import CatalogChange, Operation
from afflux.kernel.types import Millis

E = TypeVar("E", bound=Entity)


class Version(Struct, frozen=True):
    """One version of one entity; `entity` is None where it was deleted."""

    entity: Entity | None
    version: int
    valid_from: Millis
    valid_to: Millis | None
    recorded_at: Millis

    def covers(self, valid_at: Millis, known_at: Millis) -> bool:
        """Return whether this version was true at `valid_at` as known at `known_at`."""
        if self.recorded_at > known_at or self.valid_from > valid_at:
            return False
        return self.valid_to is None or valid_at < self.valid_to


class Catalog:
    """All versions of all entities, filled from `catalog.changes` in log order.

    The version that answers is the highest one that covers both instants: what was said last wins
    where two versions claim the same time.
    """

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[Version]] = {}
        self._related: dict[tuple[str, int, int | None], dict[str, None]] = {}
        self.revision = 0
        self.newest_recorded_at = Millis(0)

    def apply(self, change: CatalogChange) -> bool:
        """Take one change; return False if it was there already.

        Raises ValueError for an unknown kind and msgspec.ValidationError for a damaged body.
        """
        kind = ENTITY_TYPES.get(change.kind)
        if kind is None:
            raise ValueError(f"unknown catalogue kind {change.kind!r}")
        entity = None
        if change.operation is Operation.PUT:
            entity = msgspec.json.decode(change.body, type=kind)
        history = self._versions.setdefault((change.kind, change.entity_id), [])
        if any(known.version == change.version for known in history):
            return False
        version = Version(
            entity, change.version, change.valid_from, change.valid_to, change.recorded_at
        )
        history.append(version)
        self._relate(change.entity_id, entity)
        history.sort(key=lambda known: -known.version)
        self.revision += 1
        self.newest_recorded_at = max(self.newest_recorded_at, change.recorded_at)
        return True

    def find(
        self, kind: type[E], entity_id: str | int, valid_at: Millis, known_at: Millis
    ) -> E | None:
        """Return the entity as it was, or None."""
        found = self.find_version(kind, entity_id, valid_at, known_at)
        return None if found is None else found[0]

    def find_version(
        self, kind: type[E], entity_id: str | int, valid_at: Millis, known_at: Millis
    ) -> tuple[E, int] | None:
        """Return the entity as it was and its version, or None."""
        for known in self._versions.get((kind.kind, str(entity_id)), ()):
            if known.covers(valid_at, known_at):
                return (known.entity, known.version) if isinstance(known.entity, kind) else None
        return None

    def all(self, kind: type[E], valid_at: Millis, known_at: Millis) -> Iterator[tuple[E, int]]:
        """Yield every entity of a kind with its version, in order of id text."""
        for name, entity_id in sorted(self._versions):
            if name == kind.kind:
                found = self.find_version(kind, entity_id, valid_at, known_at)
                if found is not None:
                    yield found

    def ids(self, kind: type[Entity]) -> list[str]:
        """Return the id of every entity of a kind there ever was, in order of id text."""
        return sorted(entity_id for name, entity_id in self._versions if name == kind.kind)

    def history(self, kind: str, entity_id: str) -> list[Version]:
        """Return all versions of one entity, newest first."""
        return list(self._versions.get((kind, entity_id), ()))

    def related(
        self, kind: type[Entity], advertiser_id: int, partner_id: int | None = None
    ) -> Iterable[str]:
        """Return the ids of a kind's entities that ever named this advertiser (and partner), in
        the order in which they first did; what holds at an instant, `find` says."""
        return self._related.get((kind.kind, advertiser_id, partner_id), ())

    def _relate(self, entity_id: str, entity: Entity | None) -> None:
        advertiser_id = getattr(entity, "advertiser_id", None)
        if entity is None or advertiser_id is None:
            return
        for partner_id in {None, getattr(entity, "partner_id", None)}:
            ids = self._related.setdefault((entity.kind, advertiser_id, partner_id), {})
            ids[entity_id] = None

    def next_change(self, after: Millis) -> Millis | None:
        """Return the first instant after `after` at which the view as of that instant changes."""
        instants = (
            instant
            for history in self._versions.values()
            for known in history
            for instant in (known.recorded_at, known.valid_from, known.valid_to)
            if instant is not None and instant > after
        )
        return min(instants, default=None)
