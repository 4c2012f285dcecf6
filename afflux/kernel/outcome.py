"""What a pure `process` wants done with one event; the shell alone acts on it."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.events import Event
from afflux.kernel.types import Millis


class Emit(Struct, frozen=True):
    """Publish these events, each to the topic its type belongs to."""

    events: tuple[Event, ...]


class Drop(Struct, frozen=True):
    """Nothing to do, for a counted reason."""

    reason: str


class DeadLetter(Struct, frozen=True):
    """The record can never be processed: keep its bytes, say why, go on."""

    reason: str
    detail: str


class Park(Struct, frozen=True):
    """It came too early: keep it in state and look again at `until` at the latest."""

    until: Millis
    reason: str


Outcome = Emit | Drop | DeadLetter | Park
