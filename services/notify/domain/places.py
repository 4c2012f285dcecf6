"""Who may be called now: places are few, and nobody's slowness takes them from somebody else.

A place is one call under way. Each endpoint (a host and port of a partner), each partner and each
host (whatever the port) have a few. What share of all places a partner can have a part in depends
on its pace, a moving average of the time its calls take:

- quick ones may have any place, up to the partner's bound
- slow ones have 2 each, and a quarter of all together
- those we know nothing of yet have 2 each too, and half of all together with the slow ones

So that however many partners are slow, half of the places are for quick ones, and a quarter is
left to find out who is quick. Whoever was called longest ago comes first. No clock, no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from afflux.kernel.types import Millis
from services.notify.domain.breaker import Breaker

SLOW_MS = 1_000
"""A partner whose calls take longer, on average, is slow."""
WEIGHT = 0.3
"""How much of the average the latest call is."""
NOT_QUICK_EACH = 2
REMEMBERED = 10_000
"""Partners and endpoints that are remembered: those that were called last."""


class Bounds(Struct, frozen=True):
    """How many calls may be under way: in all, to a partner, to an endpoint, to a host."""

    most: int
    per_partner: int
    per_endpoint: int
    per_host: int


class Places:
    """Counts calls under way and remembers paces; see the module."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._busy: Counter[tuple[str, str]] = Counter()
        self._paces: dict[str, float] = {}
        self._breakers: dict[str, Breaker] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0
        self.taken = 0

    @property
    def full(self) -> bool:
        """Whether no place is left at all."""
        return self.taken >= self._bounds.most

    def ordered(self, endpoints: Iterable[str]) -> list[str]:
        """Return endpoints in the order in which they are served: partners take turns, and so do
        the endpoints of each."""
        turns = self._turns
        return sorted(
            endpoints, key=lambda one: (turns.get(_partner(one), 0), turns.get(one, 0), one)
        )

    def room(self, endpoint: str, now: Millis) -> int:
        """Return how many calls of an endpoint may begin."""
        bounds, partner = self._bounds, _partner(endpoint)
        breaker = self._breakers.get(endpoint, Breaker())
        own = self._busy["partner", partner]
        room = min(
            breaker.room(bounds.per_endpoint, self._busy["endpoint", endpoint], now),
            bounds.per_host - self._busy["host", _host(endpoint)],
            bounds.per_partner - own,
            bounds.most - self.taken,
        )
        if not self._quick(partner):
            room = min(room, NOT_QUICK_EACH - own, self._lane(partner))
        return max(0, room)

    def begin(self, endpoint: str) -> None:
        """Count a call that begins."""
        self._turn += 1
        for one in (_partner(endpoint), endpoint):
            self._turns.pop(one, None)
            self._turns[one] = self._turn
            _bound(self._turns)
        self._busy.update(_places(endpoint))
        self.taken += 1

    def end(self, endpoint: str) -> None:
        """Count a call that has ended, however it did."""
        self._busy.subtract(_places(endpoint))
        self._busy += Counter()  # forget what is free again
        self.taken -= 1

    def note(self, endpoint: str, took_ms: int, anybody_there: bool, now: Millis) -> None:
        """Remember how long a call took and whether anybody was there."""
        partner = _partner(endpoint)
        before = self._paces.pop(partner, float(took_ms))
        self._paces[partner] = before + WEIGHT * (took_ms - before)
        _bound(self._paces)
        breaker = self._breakers.pop(endpoint, Breaker())
        if not anybody_there:
            self._breakers[endpoint] = breaker.failed(now)
            _bound(self._breakers)

    def _quick(self, partner: str) -> bool:
        pace = self._paces.get(partner)
        return pace is not None and pace <= SLOW_MS

    def _lane(self, partner: str) -> int:
        """Return how many places are left to partners that are not known to be quick."""
        slow = unknown = 0
        for (kind, name), count in self._busy.items():
            if kind != "partner" or self._quick(name):
                continue
            slow += count * (name in self._paces)
            unknown += count * (name not in self._paces)
        left = max(1, self._bounds.most // 2) - slow - unknown
        if partner in self._paces:
            left = min(left, max(1, self._bounds.most // 4) - slow)
        return left


def _places(endpoint: str) -> tuple[tuple[str, str], ...]:
    return ("partner", _partner(endpoint)), ("endpoint", endpoint), ("host", _host(endpoint))


def _partner(endpoint: str) -> str:
    return endpoint.partition(" ")[0]


def _host(endpoint: str) -> str:
    """Return the host without its port: ten ports are one machine."""
    return urlsplit("//" + endpoint.partition(" ")[2]).hostname or ""


def _bound(memory: dict[str, float] | dict[str, int] | dict[str, Breaker]) -> None:
    """Forget the oldest when there are too many."""
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]
