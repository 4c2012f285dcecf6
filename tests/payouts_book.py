"""A ledger in memory for tests of the pure functions: facts in, balances out."""

from __future__ import annotations

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Adjustment, Assessment
from afflux.kernel.types import Millis
from services.payouts.domain.accrual import World
from services.payouts.domain.digest import fold
from services.payouts.domain.facts import Source, Standing
from services.payouts.domain.settlement import Refusal
from services.payouts.domain.transfers import Transfer
from services.payouts.process import Fact, Step, take
from tests.payouts_samples import T0, demo_catalog


class Book:
    """Takes facts one step each, at an instant, through the service's own pure `take`."""

    def __init__(self, view: Catalog | None = None, now: int = T0) -> None:
        self.view = view or demo_catalog()
        self.now = now
        self.transfers: list[Transfer] = []
        self.refusals: list[Refusal] = []
        self.dropped: list[str] = []
        self.standings: dict[bytes, Standing] = {}
        self._world = World.of(self.view)
        self._steps = 0

    def take(self, *events: Assessment | Adjustment, at: int | None = None) -> list[Transfer]:
        """Take facts in one step; return its transfers."""
        self.now = max(self.now, at or 0)
        facts = []
        for index, event in enumerate(events):
            facts.append(Fact(Source(event.topic, 0, 1000 * self._steps + index), event))
        return self._step(facts, ())

    def wake(self, at: int) -> list[Transfer]:
        """Let the clock wake every conversion at an instant; return the transfers."""
        self.now = max(self.now, at)
        return self._step([], tuple(self.standings))

    def _step(self, facts: list[Fact], woken: tuple[bytes, ...]) -> list[Transfer]:
        self._steps += 1
        step = Step(0, self._steps, Millis(self.now), woken)
        result = take(step, facts, self.standings, self._world)
        self.standings.update(result.standings)
        self.transfers += result.transfers
        self.refusals += result.refusals
        self.dropped += result.dropped.elements()
        return result.transfers

    @property
    def balances(self) -> dict[str, int]:
        """Balances that are not zero, as `account CURRENCY` -> minor units."""
        return {f"{a} {c}": b for (a, c), b in sorted(fold(self.transfers).items()) if b}
