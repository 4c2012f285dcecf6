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
    Impression,
    Redecision,
)
from afflux.kernel.outcome import Drop, Emit, Outcome, Park
from afflux.kernel.types import Millis
from services.attribution.customers import Customers
from services.attribution.deciding import Deciding
from services.attribution.domain.erasing import Ends, Erasing, Reached
from services.attribution.domain.horizon import Horizon
from services.attribution.domain.journey import Journey
from services.attribution.domain.parking import needed, ready, visitor_of
from services.attribution.intake import NOTED, Intake
from services.attribution.lasting import Lasting
from services.attribution.opened import awaits_named, concerns, conflict, covered_from, owner
from services.attribution.redeciding import Redeciding
from services.attribution.rows import Open
from services.attribution.state import State

_REPEATED: Outcome = Drop("redelivered")


Fact = Click | ClickFlag | Conversion | CustomerBound | Impression | Redecision
"""What attribution is told."""


class Policy(Struct, frozen=True):
    """Settings that decisions depend on, in milliseconds.

    `grace_ms`: log time after a conversion in which a late click or a later flag still counts.
    `wait_ms`: longest wait, by the worker's clock, for a conversion's click and its screening.
    `keep_ms`: log time that touches are kept; the catalogue's longest window where that is more.
    """

    grace_ms: int
    wait_ms: int
    keep_ms: int = 90 * 86_400_000


class Arrival(Struct, frozen=True):
    """One event and its offset in its topic's partition."""

    offset: int
    event: Fact


class TouchEnds(Struct, frozen=True):
    """Ends of the partition's clicks and impressions, as of some instant after a batch was read."""

    clicks: int = 0
    views: int = 0


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
        self._horizon = Horizon(catalog, policy.keep_ms)
        self._redeciding = Redeciding(state, self._lasting, self.erasing, self._horizon)
        self._concerned: dict[bytes, Millis] = {}
        self._fresh: dict[bytes, Open] = {}
        self.intake = Intake(state, self.erasing, self._horizon, self._concern)
        self.cut_journeys = 0
        state.restore(policy.wait_ms)

    def begin(self) -> None:
        """Know the erasures that have become known, before a batch is taken."""
        for visitor in self.erasing.fresh():
            if not self.state.is_forgotten(visitor):
                self.erasing.begin(visitor)
                self._concern(visitor, Millis(0))

    def take(self, batch: Sequence[Arrival], ends: TouchEnds, now: Millis) -> list[Outcome]:
        """Note a batch's facts; one outcome a record, in order.

        `ends` were fetched after the batch was read.
        """
        self.begin()
        reports = [arr.event for arr in batch if isinstance(arr.event, Conversion)]
        keys = [report.conversion_key for report in reports]
        known = dict(zip(keys, self.state.known(keys), strict=True))
        outcomes: list[Outcome] = []
        for arrival in batch:
            match arrival.event:
                case Click() as click:
                    outcomes.append(self.intake.click(click, arrival.offset))
                case Impression() as view:
                    outcomes.append(self.intake.view(view, arrival.offset))
                case ClickFlag() as flag:
                    outcomes.append(self.intake.flag(flag))
                case Conversion() as conversion:
                    outcomes.append(self._take_conversion(conversion, known, ends, now))
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

    def _take_conversion(
        self,
        conversion: Conversion,
        known: dict[bytes, bytes | None],
        ends: TouchEnds,
        now: Millis,
    ) -> Outcome:
        keep_ms = self._horizon.keep_ms(conversion.recorded_at)
        log_time = self.state.conversion_read(conversion.recorded_at, keep_ms)
        first = known[conversion.conversion_key]
        if first is not None:
            return _REPEATED if first == conversion.body_hash else conflict(conversion, first)
        known[conversion.conversion_key] = conversion.body_hash
        self.state.remember(conversion)
        visitor = visitor_of(conversion)
        epoch = self.state.meta.epoch
        wish = self._redeciding.wish(conversion.conversion_key)
        views = self._horizon.views_matter(conversion.advertiser_id, conversion.recorded_at)
        opened = Open(
            conversion,
            ends.clicks,
            now,
            epoch,
            known_at=wish,
            since=self.state.meta.cut,
            named_until=Millis(log_time + keep_ms),
            views=views,
            views_end=ends.views if views and conversion.click_id is None else 0,
        )
        if visitor is None or self.erasing.refuses(visitor, log_time):
            decision = self.deciding.decide(opened, Journey())
            return self._publish(opened, decision, now, last=True)[1] or NOTED
        self.state.add_open(visitor, opened, self._due(conversion))
        self._fresh[conversion.conversion_key] = opened
        return Park(self._deadline(opened), "awaits_click")

    def _settle_one(self, opened: Open, overdue: bool, now: Millis) -> Emit | Park | None:
        state, conversion = self.state, opened.conversion
        journey = self._journey(opened)
        self.cut_journeys += journey.omitted
        if overdue:
            opened = msgspec.structs.replace(opened, overdue=True)
        need = needed(conversion, journey, opened.clicks_end)
        to_come = state.progress.views_next < opened.views_end
        deadline = self._deadline(opened)
        if opened.decision_id is None and not ready(
            None if to_come else need, state.progress, now, deadline
        ):
            self._keep(opened, need or 0)
            return Park(deadline, "awaits_click")
        decision = self.deciding.decide(opened, journey)
        final = opened.overdue and self._final(opened, journey)
        opened, outcome = self._publish(opened, decision, now, last=final)
        if final:
            state.close_open(owner(opened), conversion.conversion_key)
        else:
            if overdue and awaits_named(opened, journey):
                state.await_due(owner(opened), opened, opened.named_until)
            self._keep(opened, covered_from(journey))
        return outcome

    def _forget(self, visitor: bytes, now: Millis) -> list[Emit | Park | None]:
        """Decide a last time what is open, then delete the visitor's state."""
        outcomes: list[Emit | Park | None] = []
        for opened in self.state.open_of(visitor):
            conversion = opened.conversion
            outcomes.append(self._decide_again(opened, now))
            self.state.close_open(visitor, conversion.conversion_key)
            for due in (self._due(conversion), opened.named_until):
                self.state.undue(due, opened)
        self.state.forget(visitor)
        self.erasing.done(visitor)
        return outcomes

    def _keep(self, opened: Open, wake: int) -> None:
        opened = msgspec.structs.replace(opened, wake=wake)
        self.state.set_open(owner(opened), opened, self._policy.wait_ms)

    def _decide_again(self, opened: Open, now: Millis) -> Emit | None:
        """Decide by what is known, a last time."""
        decision = self.deciding.decide(opened, self._journey(opened))
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
        """Return whether no input can come any more: the grace is over in all partitions, the
        named click is there or not waited for any more, and all that is listed is screened."""
        progress = self.state.progress
        if awaits_named(opened, journey) and progress.log_time <= opened.named_until:
            return False
        return covered_from(journey) <= progress.horizon

    def _concern(self, visitor: bytes, clicked_at: Millis) -> None:
        if self.state.has_open(visitor) or visitor in self._concerned:
            self._concerned[visitor] = min(self._concerned.get(visitor, clicked_at), clicked_at)

    def _journey(self, opened: Open) -> Journey:
        until = self._due(opened.conversion)
        visitor = visitor_of(opened.conversion)
        return self.state.journey(
            opened, until if visitor is None else self.erasing.until(visitor, until)
        )

    @property
    def counts(self) -> tuple[int, int, int]:
        """Requests to bind, customers' books read, decisions revised by a customer, so far."""
        return self.deciding.asked, self.customers.books_read, self.customers.revised

    @property
    def _reached(self) -> Reached:
        meta = self.state.meta
        return Reached(
            meta.progress.horizon,
            meta.flags_next,
            meta.conversions_next,
            meta.redecisions_next,
            meta.progress.views_next,
        )

    def _settled_before(self, now: Millis) -> Millis:
        return Millis(now - self._policy.wait_ms)

    def _due(self, conversion: Conversion) -> Millis:
        return Millis(conversion.recorded_at + self._policy.grace_ms)

    def _deadline(self, opened: Open) -> Millis:
        return Millis(opened.read_at + self._policy.wait_ms)
