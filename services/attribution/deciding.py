"""Deciding and publishing as the state knows it: versions, knowledge, and who publishes."""

from __future__ import annotations

import msgspec

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import CustomerBound, Decision
from afflux.kernel.types import Millis
from services.attribution.domain.decision import decide, published
from services.attribution.domain.journey import Journey
from services.attribution.domain.lifetimes import Lifetimes
from services.attribution.rows import Open
from services.attribution.state import State


class Deciding:
    """Decisions of one partition on their way out."""

    def __init__(self, state: State, catalog: Catalog) -> None:
        self._state = state
        self._catalog = catalog
        self._lifetimes = Lifetimes(catalog)
        self.asked = 0

    def decide(self, opened: Open, journey: Journey) -> Decision:
        """Return the decision of a conversion, without a version and without its customer.

        With later knowledge of the catalogue it is decided anew; a decision that this does not
        change stays what it was, so that a person who asks again moves nothing.
        """
        conversion, screened_to = opened.conversion, self._state.progress.screened_to
        first = decide(conversion, journey, self._catalog, screened_to)
        known_at = _known_at(opened)
        if known_at == conversion.recorded_at:
            return first
        later = decide(conversion, journey, self._catalog, screened_to, known_at=known_at)
        if self._lifetimes.has_say(conversion, known_at):
            return later  # what is known of the customer may have changed, too
        return first if _same(first, later) else later

    def publish(
        self, opened: Open, decision: Decision, now: Millis
    ) -> tuple[Open, Decision | CustomerBound]:
        """Return what is to be published: the decision, or the question to the customer's book.

        Its version is above every one that may have been published. A crash after publishing and
        before committing leaves a version nobody remembers, at most one an owner epoch. So a
        version rises by one, and by one more for each epoch in between; the first version is the
        epoch's number.
        """
        epoch, conversion = self._state.meta.epoch, opened.conversion
        version = opened.version + 1 + epoch - opened.epoch if opened.version else epoch
        waited_ms = min(max(0, now - opened.read_at), 2**31 - 1)
        decision = published(decision, version, opened.decision_id, waited_ms)
        opened = msgspec.structs.replace(
            opened, version=version, decision_id=decision.event_id, epoch=epoch
        )
        known_at = _known_at(opened)
        if not self._lifetimes.has_say(conversion, known_at):
            return opened, decision
        self.asked += 1
        return opened, self._lifetimes.ask(conversion, decision, known_at, version)


def _known_at(opened: Open) -> Millis:
    return max(opened.known_at, opened.conversion.recorded_at)


def _same(first: Decision, later: Decision) -> bool:
    """Return whether two decisions differ in nothing but the knowledge they were made with."""
    return first == msgspec.structs.replace(
        later,
        terms_known_at=first.terms_known_at,
        event_id=first.event_id,
        recorded_at=first.recorded_at,
    )
