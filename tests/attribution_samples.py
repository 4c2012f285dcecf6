"""Clicks, flags, conversions, and a log of them, for the tests of attribution."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import CustomerBound, Decision
from afflux.kernel.outcome import DeadLetter, Emit, Outcome
from afflux.kernel.types import Millis
from services.attribution.process import Arrival, Fact, Policy, Process, TouchEnds
from services.attribution.state import CUSTOMERS, REDECISIONS, State
from services.attribution.table import Table
from tests.attribution_events import HOUR, T0, TOPICS, Log, catalog

POLICY = Policy(grace_ms=24 * HOUR, wait_ms=30_000)
NEVER = Millis(T0 + 10_000 * HOUR)
"""A worker clock that has waited for everything."""


ALL_TOPICS = (*TOPICS, CUSTOMERS, REDECISIONS)
"""What attribution reads, with what it writes itself and what persons ask of it."""

Take = tuple[str, int]
"""How many records of which topic a batch takes."""


class Worker:
    """The loop in miniature: reads a log from the store's offsets, publishes, commits."""

    def __init__(
        self, log: Log, table: Table, view: Catalog | None = None, policy: Policy = POLICY
    ) -> None:
        self.log = log
        self.table = table
        self.view = view or catalog()
        self.policy = policy
        self.published: list[Decision] = []
        self.requests: list[CustomerBound] = []
        self.outcomes: list[Outcome] = []
        self.erased: dict[bytes, Millis] = {}
        self.start()

    def start(self) -> None:
        """Open the store, as after a crash: what was not committed is gone."""
        state = State(self.table)
        state.take_ownership()
        self.process = Process(state, self.view, self.policy, self.erased)

    def stop(self) -> None:
        """Leave in order."""
        self.process.state.release()

    def topic(self, name: str) -> Sequence[Fact]:
        """The records of a topic: what others wrote stands in the log, the requests here."""
        return self.requests if name == CUSTOMERS else self.log.topic(name)

    def send(self, request: CustomerBound) -> None:
        """Publish a request to a customer's book."""
        self.requests.append(request)

    def turn(self, takes: Sequence[Take] = (), now: int = 0, commit: bool = True) -> None:
        """One batch; without `commit` the process dies after publishing."""
        offsets = self.process.state.offsets
        arrivals: list[Arrival] = []
        positions: dict[str, int] = {}
        for topic, count in takes:
            begin = positions.get(topic, offsets[topic])
            some = self.topic(topic)[begin : begin + count]
            arrivals += [Arrival(begin + n, event) for n, event in enumerate(some)]
            if some:
                positions[topic] = begin + len(some)
        at = Millis(T0 + now)
        self.know(max((arrival.event.recorded_at for arrival in arrivals), default=0), at)
        ends = TouchEnds(len(self.log.clicks), len(self.log.views))
        taken = self.process.take(arrivals, ends, at)
        settled = self.process.settle(at)
        self.outcomes += [*taken, *settled]
        for outcome in (*taken, *settled):
            for event in outcome.events if isinstance(outcome, Emit) else ():
                if isinstance(event, Decision):
                    self.published.append(event)
                elif isinstance(event, CustomerBound):
                    self.send(event)
        if commit:
            self.process.state.commit(positions)
            self.process.state.expire()
        else:
            self.start()

    def know(self, recorded_at: int, now: Millis) -> None:
        """Know the erasures up to an instant, as the stage does before it takes a batch."""
        for visitor_key, at in self.log.erasures.items():
            if at <= recorded_at:
                self.erased.setdefault(visitor_key, at)
        if self.process.waits_for_ends(now):
            self.process.wait_for(self.log.ends_after(max(self.erased.values())), now)

    @property
    def behind(self) -> bool:
        """Whether there is something to read."""
        offsets = self.process.state.offsets
        return any(offsets[topic] < len(self.topic(topic)) for topic in ALL_TOPICS)

    def catch_up(self, batch: int = 1000, now: int = 0) -> None:
        """Read every topic to its end."""
        while self.behind:
            self.turn([(topic, batch) for topic in ALL_TOPICS], now)

    def drain(self, batch: int = 1000, now: int = 0, forever: bool = True) -> Worker:
        """Read every topic to its end, then let every wait be over."""
        self.catch_up(batch, now)
        if forever:
            self.know(NEVER, Millis(T0 + now))
            self.turn(now=NEVER - T0)
            self.turn(now=NEVER - T0)
            self.catch_up(batch, NEVER - T0)
            self.turn(now=NEVER - T0 + HOUR)
        return self

    @property
    def final(self) -> dict[bytes, Decision]:
        """The decision that stands for each conversion: the one of the highest version."""
        last: dict[bytes, Decision] = {}
        for decision in self.published:
            known = last.get(decision.conversion_key)
            if known is None or decision.version > known.version:
                last[decision.conversion_key] = decision
        return last

    @property
    def dead(self) -> list[DeadLetter]:
        """Dead letters so far."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, DeadLetter)]


def content(worker: Worker) -> dict[bytes, bytes]:
    """What was finally decided, by conversion key."""
    return {key: decision.event_id for key, decision in worker.final.items()}
