"""Events in, outcomes out; no I/O beyond the state view it is given.

A batch is taken in two halves. `take` notes facts (clicks, flags, conversions) in the state.
`settle` then looks once at every conversion that a fact, the horizon or the clock concerns: so a
batch makes at most one version of a decision, and the order of topics within it does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import (
    Click,
    ClickFlag,
    Conversion,
    CustomerBound,
    Decision,
    FlagAction,
    Redecision,
)
from afflux.kernel.ids import ulid_time
from afflux.kernel.outcome import DeadLetter, Drop, Emit, Outcome, Park
from afflux.kernel.types import Millis
from services.attribution.customers import Customers
from services.attribution.deciding import Deciding
from services.attribution.domain.erasing import Ends, Erasing, Reached
from services.attribution.domain.facts import notes_of, seen_of
from services.attribution.domain.journey import Journey, merge_notes
from services.attribution.domain.parking import needed, ready, visitor_of
from services.attribution.lasting import Lasting
from services.attribution.opened import concerns, conflict, covered_from, owner
from services.attribution.redeciding import Redeciding
from services.attribution.rows import Open
from services.attribution.state import State

_NOTED: Outcome = Emit(())
_REPEATED: Outcome = Drop("redelivered")
_ERASED: Outcome = Drop("visitor_erased")


Fact = Click | ClickFlag | Conversion | CustomerBound | Redecision
"""What attribution is told."""


class Policy(Struct, frozen=True):
    """Settings that decisions depend on, in milliseconds.

    `grace_ms`: log time after a conversion in which a late click or a later flag still counts.
    `wait_ms`: longest wait, by the worker's clock, for a conversion's click and its screening.
    """

    grace_ms: int
    wait_ms: int


class Arrival(Struct, frozen=True):
    """One event and its offset in its topic's partition."""

    offset: int
    event: Fact


class Process:
    """Attribution of one partition: `take` a batch, then `settle` it."""

    def __init__(
        self,
        state: State,
        catalog: Catalog,
        policy: Policy,
        erased: Mapping[bytes, Millis] | None = None,
    ) -> None:
        """`erased`: instant of the erasure by visitor, as far as it is known; it may grow."""
        self.state = state
        self.erasing = Erasing({} if erased is None else erased)
        self.customers = Customers(state.rows, catalog, policy.wait_ms)
        self.deciding = Deciding(state, catalog)
        self._policy = policy
        self._lasting = Lasting(state.rows)
        self._redeciding = Redeciding(state, self._lasting, self.erasing)
        self._concerned: dict[bytes, Millis] = {}
        self._fresh: dict[bytes, Open] = {}
        self.cut_journeys = 0
        state.restore(policy.wait_ms)

    def take(self, batch: Sequence[Arrival], clicks_end: int, now: Millis) -> list[Outcome]:
        """Note a batch's facts; one outcome a record, in order.

        `clicks_end` is the end of the clicks partition, fetched after the batch was read.
        """
        for visitor in self.erasing.fresh():
            if not self.state.is_forgotten(visitor):
                self.erasing.begin(visitor)
                self._concern(visitor, Millis(0))
        missing = self.state.missing_clicks(
            [arrival.event for arrival in batch if isinstance(arrival.event, Click)]
        )
        reports = [arr.event for arr in batch if isinstance(arr.event, Conversion)]
        keys = [report.conversion_key for report in reports]
        known = dict(zip(keys, self.state.known(keys), strict=True))
        outcomes: list[Outcome] = []
        for arrival in batch:
            match arrival.event:
                case Click() as click:
                    outcomes.append(self._take_click(click, arrival.offset, missing))
                case ClickFlag() as flag:
                    outcomes.append(self._take_flag(flag))
                case Conversion() as conversion:
                    outcomes.append(self._take_conversion(conversion, known, clicks_end, now))
                case CustomerBound() as request:
                    outcomes.append(self.customers.take(request, now))
                case Redecision() as wish:
                    outcomes.append(self._redeciding.take(wish))
        return outcomes

    def settle(self, now: Millis) -> list[Emit | Park]:
        """Look at every conversion concerned and return what became of each."""
        overdue = self.state.overdue()
        woken = self.state.woken(now).union(overdue)
        found = {
            opened.conversion.conversion_key: opened for opened in self.state.opened(sorted(woken))
        }
        for visitor, since in self._concerned.items():
            for opened in self.state.open_of(visitor):
                if concerns(opened, since):
                    found[opened.conversion.conversion_key] = opened
        found |= self._fresh
        again = self._redeciding.pending(found, now)
        self._concerned, self._fresh = {}, {}
        late = {key for _, key in overdue}
        settled = [self._settle_one(found[key], key in late, now) for key in sorted(found)]
        settled += [self._decide_again(opened, now) for opened in again]
        for visitor in list(self.erasing.ripe(self._reached)):
            settled += self._forget(visitor, now)
        settled += self.customers.settle(now, self.state.meta.epoch)
        return [outcome for outcome in settled if outcome is not None]

    def wait_for(self, ends: Ends, now: Millis) -> None:
        """Let erasures that are older than the longest wait go once the log is read to `ends`."""
        self.erasing.wait_for(ends, self._settled_before(now))

    def waits_for_ends(self, now: Millis) -> bool:
        """Return whether an erasure is older than the longest wait and knows no ends."""
        return self.erasing.waits_for_ends(self._settled_before(now))

    def _take_click(self, click: Click, offset: int, missing: set[bytes]) -> Outcome:
        progress = self.state.progress
        log_time = max(progress.clicks_log, click.recorded_at)
        self.state.progress = msgspec.structs.replace(
            progress, clicks_next=max(progress.clicks_next, offset + 1), clicks_log=log_time
        )
        if self.erasing.refuses(click.visitor_key, log_time):
            return _ERASED
        if click.click_id not in missing:
            return _REPEATED
        missing.discard(click.click_id)
        self.state.add_click(click.visitor_key, seen_of(click, offset, log_time))
        self._concern(click.visitor_key, click.occurred_at)
        return _NOTED

    def _take_flag(self, flag: ClickFlag) -> Outcome:
        progress = self.state.progress
        log_time = max(progress.flags_log, flag.recorded_at)
        progress = msgspec.structs.replace(progress, flags_log=log_time)
        if flag.action is FlagAction.SCREENED:
            screened_to = max(progress.screened_to, flag.source_offset)
            self.state.progress = msgspec.structs.replace(progress, screened_to=screened_to)
            return _NOTED
        self.state.progress = progress
        if flag.click_id is None or flag.visitor_key is None:
            return DeadLetter("value_invalid", "a flag names a click and its visitor")
        if self.erasing.forgot(flag.visitor_key):
            return _ERASED
        late = log_time if flag.source_offset < progress.screened_to else Millis(0)
        known = self.state.notes(flag.visitor_key, flag.click_id)
        merged = merge_notes(known, notes_of(flag, late))
        if merged == known:
            return _REPEATED
        self.state.set_notes(flag.visitor_key, flag.click_id, merged)
        self._concern(flag.visitor_key, ulid_time(flag.click_id))
        return _NOTED

    def _take_conversion(
        self,
        conversion: Conversion,
        known: dict[bytes, bytes | None],
        clicks_end: int,
        now: Millis,
    ) -> Outcome:
        log_time = self.state.conversion_read(conversion.recorded_at)
        first = known[conversion.conversion_key]
        if first is not None:
            return _REPEATED if first == conversion.body_hash else conflict(conversion, first)
        known[conversion.conversion_key] = conversion.body_hash
        self.state.remember(conversion)
        visitor = visitor_of(conversion)
        epoch = self.state.meta.epoch
        wish = self._redeciding.wish(conversion.conversion_key)
        opened = Open(conversion, clicks_end, now, epoch, known_at=wish)
        if visitor is None or self.erasing.refuses(visitor, log_time):
            return self._publish(opened, self.deciding.decide(opened, Journey()), now, last=True)[1]
        self.state.add_open(visitor, opened, self._due(conversion))
        self._fresh[conversion.conversion_key] = opened
        return Park(self._deadline(opened), "awaits_click")

    def _settle_one(self, opened: Open, overdue: bool, now: Millis) -> Emit | Park | None:
        state, conversion = self.state, opened.conversion
        journey = self._journey(conversion)
        self.cut_journeys += journey.omitted
        if overdue:
            opened = msgspec.structs.replace(opened, overdue=True)
        need = needed(conversion, journey, opened.clicks_end)
        deadline = self._deadline(opened)
        if opened.decision_id is None and not ready(need, state.progress, now, deadline):
            self._keep(opened, need or 0)
            return Park(deadline, "awaits_click")
        decision = self.deciding.decide(opened, journey)
        final = opened.overdue and self._final(opened, journey)
        opened, outcome = self._publish(opened, decision, now, last=final)
        if final:
            state.close_open(owner(opened), conversion.conversion_key)
        else:
            self._keep(opened, covered_from(journey))
        return outcome

    def _forget(self, visitor: bytes, now: Millis) -> list[Emit | Park | None]:
        """Decide a last time what is open, then delete the visitor's state."""
        outcomes: list[Emit | Park | None] = []
        for opened in self.state.open_of(visitor):
            conversion = opened.conversion
            outcomes.append(self._decide_again(opened, now))
            self.state.close_open(visitor, conversion.conversion_key)
            self.state.undue(self._due(conversion), conversion.conversion_key)
        self.state.forget(visitor)
        self.erasing.done(visitor)
        return outcomes

    def _keep(self, opened: Open, wake: int) -> None:
        opened = msgspec.structs.replace(opened, wake=wake)
        self.state.set_open(owner(opened), opened, self._policy.wait_ms)

    def _decide_again(self, opened: Open, now: Millis) -> Emit | None:
        """Decide by what is known, a last time."""
        decision = self.deciding.decide(opened, self._journey(opened.conversion))
        return self._publish(opened, decision, now, last=True)[1]

    def _publish(
        self, opened: Open, decision: Decision, now: Millis, last: bool
    ) -> tuple[Open, Emit | None]:
        """Publish what differs from what was published; `last`: only a person can change it now."""
        outcome = None
        if decision.event_id != opened.decision_id:
            opened, event = self.deciding.publish(opened, decision, now)
            outcome = Emit((event,))
        if last:
            self._lasting.finish(opened)
        return opened, outcome

    def _final(self, opened: Open, journey: Journey) -> bool:
        """Return whether no input can come any more: the grace is over in both partitions, the
        named click is there, and all that is listed is screened."""
        missing = opened.conversion.click_id is not None and journey.named is None
        return not missing and covered_from(journey) <= self.state.progress.horizon

    def _concern(self, visitor: bytes, clicked_at: Millis) -> None:
        if self.state.has_open(visitor) or visitor in self._concerned:
            self._concerned[visitor] = min(self._concerned.get(visitor, clicked_at), clicked_at)

    def _journey(self, conversion: Conversion) -> Journey:
        until = self._due(conversion)
        visitor = visitor_of(conversion)
        return self.state.journey(
            conversion, until if visitor is None else self.erasing.until(visitor, until)
        )

    @property
    def counts(self) -> tuple[int, int, int]:
        """Requests to bind, customers' books read, decisions revised by a customer, so far."""
        return self.deciding.asked, self.customers.books_read, self.customers.revised

    @property
    def _reached(self) -> Reached:
        meta = self.state.meta
        return Reached(
            meta.progress.horizon, meta.flags_next, meta.conversions_next, meta.redecisions_next
        )

    def _settled_before(self, now: Millis) -> Millis:
        return Millis(now - self._policy.wait_ms)

    def _due(self, conversion: Conversion) -> Millis:
        return Millis(conversion.recorded_at + self._policy.grace_ms)

    def _deadline(self, opened: Open) -> Millis:
        return Millis(opened.read_at + self._policy.wait_ms)
