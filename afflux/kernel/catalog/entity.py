"""What entities of the catalogue have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct


class Entity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entity of the catalogue; `kind` names its record type in the log."""

    kind: ClassVar[str] = ""

    @property
    def entity_id(self) -> str:
        """The id within the kind, as text."""
        raise NotImplementedError


class Numbered(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entity whose id is a number."""

    id: int

    @property
    def entity_id(self) -> str:
        return str(self.id)


class State(StrEnum):
    """Whether a partner or an offer takes part."""

    ACTIVE = "active"
    PAUSED = "paused"
