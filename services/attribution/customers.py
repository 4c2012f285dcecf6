"""Customers' books of one partition: requests in, the decisions of their conversions out.

Requests are noted by `take`; `settle` then looks once at each customer concerned, whatever came in
one batch. A conversion that is credited to nobody waits for a binding, `wait_ms` at most by the
worker's clock; all others are published at once, and revised when a binding comes later. The
customer's partition is the only one that publishes decisions of these conversions.
"""

from __future__ import annotations

from heapq import heappop, heappush

import msgspec

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import CustomerBound, Decision, Result
from afflux.kernel.ids import derive
from afflux.kernel.outcome import DeadLetter, Drop, Emit, Outcome, Park
from afflux.kernel.types import Millis
from services.attribution import customer_rows as rows
from services.attribution.customer_rows import Entry
from services.attribution.domain.bound import bound
from services.attribution.domain.customers import Choice, choose
from services.attribution.domain.lifetimes import member_of
from services.attribution.last_rows import pack_instant, unpack_instant
from services.attribution.overlay import Overlay

_NOTED: Outcome = Emit(())
_REPEATED: Outcome = Drop("redelivered")


class Customers:
    """The books of one partition, over the same rows as the journeys."""

    def __init__(self, table: Overlay, catalog: Catalog, wait_ms: int) -> None:
        self._rows = table
        self._catalog = catalog
        self._wait_ms = wait_ms
        self._concerned: set[bytes] = set()
        self._books: dict[bytes, dict[bytes, Entry]] = {}
        self._deadlines: list[tuple[Millis, bytes, bytes]] = []
        self._waiting: set[bytes] = set()
        self.books_read = 0
        self.revised = 0
        for key, until in list(table.above(rows.WAITING)):
            self._awaits(unpack_instant(until), *rows.split_waiting_key(key))

    @property
    def waiting(self) -> int:
        """How many conversions wait for a binding before their first decision."""
        return len(self._waiting)

    def take(self, request: CustomerBound, now: Millis) -> Outcome:
        """Note what is asked for one conversion; an older word than the known one is a repeat."""
        asked = request.asked
        if asked is None or asked.conversion_key != request.conversion_key:
            return DeadLetter(
                "value_invalid", "a request comes with the decision of its conversion"
            )
        customer, key = request.customer_key, request.conversion_key
        book = self._book(customer)
        known = book.get(key)
        if known is not None and request.version <= known.asked_version:
            return _REPEATED
        since = Millis(max(0, now - asked.waited_ms))  # it has waited for its click already
        entry = Entry(
            member_of(request, asked), asked.event_id, request.version, asked.version, since
        )
        if known is not None:
            entry = msgspec.structs.replace(
                known,
                member=entry.member,
                asked_id=entry.asked_id,
                asked_version=entry.asked_version,
            )
        book[key] = entry
        self._rows.put(rows.entry_key(customer, key), rows.encode(entry))
        self._rows.put(rows.asked_key(customer, key), rows.encode(asked))
        self._concerned.add(customer)
        return _NOTED

    def settle(self, now: Millis, epoch: int) -> list[Emit | Park]:
        """Decide the conversions of every customer concerned; one outcome for what changed."""
        self._wake(now)
        outcomes: list[Emit | Park] = []
        for customer in sorted(self._concerned):
            outcomes += self._settle_one(customer, now, epoch)
        self._concerned.clear()
        self._books.clear()
        return outcomes

    def _settle_one(self, customer: bytes, now: Millis, epoch: int) -> list[Emit | Park]:
        book = self._book(customer)
        choices = choose([entry.member for entry in book.values()], self._catalog)
        changed = [
            (entry, choices[key], inputs)
            for key, entry in sorted(book.items())
            if (inputs := _inputs(entry, choices[key])) != entry.inputs
        ]
        keys = [rows.asked_key(customer, entry.member.conversion_key) for entry, _, _ in changed]
        outcomes: list[Emit | Park] = []
        for (entry, choice, inputs), row in zip(changed, self._rows.multi_get(keys), strict=True):
            assert row is not None  # written with its entry
            outcomes.append(self._decide(entry, choice, inputs, rows.unpack_asked(row), now, epoch))
        return [outcome for outcome in outcomes if outcome != _NOTED]

    def _decide(
        self,
        entry: Entry,
        choice: Choice,
        inputs: bytes,
        asked: Decision,
        now: Millis,
        epoch: int,
    ) -> Emit | Park:
        decision = bound(asked, choice)
        deadline = Millis(entry.read_at + self._wait_ms)
        customer, key = entry.member.customer_key, entry.member.conversion_key
        if decision.result is Result.UNATTRIBUTED and not entry.version and now < deadline:
            self._rows.put(rows.waiting_key(customer, key), pack_instant(deadline))
            self._awaits(deadline, customer, key)
            return Park(deadline, "awaits_customer")
        if key in self._waiting:
            self._waiting.discard(key)
            self._rows.delete(rows.waiting_key(customer, key))
        events: tuple[Decision, ...] = ()
        if decision.event_id != entry.decision_id:
            self.revised += entry.version > 0
            version = _version(entry, epoch)
            waited_ms = min(max(0, now - entry.read_at), 2**31 - 1)
            events = (
                msgspec.structs.replace(
                    decision, version=version, supersedes=entry.decision_id, waited_ms=waited_ms
                ),
            )
            entry = msgspec.structs.replace(
                entry, version=version, epoch=epoch, decision_id=decision.event_id
            )
        entry = msgspec.structs.replace(entry, inputs=inputs)
        self._rows.put(rows.entry_key(customer, key), rows.encode(entry))
        return Emit(events)

    def _book(self, customer: bytes) -> dict[bytes, Entry]:
        if customer not in self._books:
            found = [
                rows.unpack_entry(row) for _, row in self._rows.above(rows.book_prefix(customer))
            ]
            self._books[customer] = {entry.member.conversion_key: entry for entry in found}
            self.books_read += 1
        return self._books[customer]

    def _awaits(self, deadline: Millis, customer: bytes, key: bytes) -> None:
        if key not in self._waiting:
            self._waiting.add(key)
            heappush(self._deadlines, (deadline, customer, key))

    def _wake(self, now: Millis) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            _, customer, key = heappop(self._deadlines)
            if key in self._waiting:
                self._concerned.add(customer)


def _version(entry: Entry, epoch: int) -> int:
    """Return a version above all that may have been published: one more, and one more for each
    owner epoch in between (see README, Versions), behind what another partition published."""
    if entry.version:
        return entry.version + 1 + epoch - entry.epoch
    return entry.first + epoch


def _inputs(entry: Entry, choice: Choice) -> bytes:
    """Return the hash of all that a decision is made of."""
    return derive("inputs", entry.asked_id, msgspec.msgpack.encode(choice))
