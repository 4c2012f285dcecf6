"""Clicks, views and flags into the journeys of one partition: one by one, or a batch as columns."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from afflux.kernel.events import Click, ClickFlag, FlagAction, Impression
from afflux.kernel.ids import ulid_time
from afflux.kernel.outcome import DeadLetter, Drop, Emit, Outcome
from afflux.kernel.types import Millis
from afflux.runtime.columns import Columns
from services.attribution.domain.erasing import Erasing
from services.attribution.domain.facts import notes_of, seen_of, seen_view
from services.attribution.domain.horizon import Horizon
from services.attribution.domain.journey import Seen, merge_notes
from services.attribution.state import State
from services.attribution.touch_rows import CLICK, IMPRESSION

NOTED: Outcome = Emit(())
REPEATED: Outcome = Drop("redelivered")
ERASED: Outcome = Drop("visitor_erased")

Concern = Callable[[bytes, Millis], None]
"""Told of a visitor with open conversions and of the time of a touch of it that has come."""


class Intake:
    """Writes touches blindly: what came before is not looked at (see touch_rows)."""

    def __init__(self, state: State, erasing: Erasing, horizon: Horizon, concern: Concern) -> None:
        self._state = state
        self._erasing = erasing
        self._horizon = horizon
        self._concern = concern

    def click(self, click: Click, offset: int) -> Outcome:
        """Take one click."""
        progress = self._state.progress
        log_time = max(progress.clicks_log, click.recorded_at)
        self._clicks_read(offset + 1, log_time)
        return self._put(click.visitor_key, seen_of(click, offset, log_time))

    def view(self, view: Impression, offset: int) -> Outcome:
        """Take one view; those of offers that give nothing for views are not kept."""
        progress = self._state.progress
        log_time = max(progress.views_log, view.recorded_at)
        self._views_read(offset + 1, log_time)
        since = self._horizon.viewed_offers().get(view.offer_id)
        if since is None or since > log_time:
            return NOTED
        return self._put(view.visitor_key, seen_view(view, offset, log_time))

    def flag(self, flag: ClickFlag) -> Outcome:
        """Take one word of the screen: a flag, or how far it has come."""
        progress = self._state.progress
        log_time = max(progress.flags_log, flag.recorded_at)
        progress = msgspec.structs.replace(progress, flags_log=log_time)
        if flag.action is FlagAction.SCREENED:
            screened_to = max(progress.screened_to, flag.source_offset)
            self._state.progress = msgspec.structs.replace(progress, screened_to=screened_to)
            return NOTED
        self._state.progress = progress
        if flag.click_id is None or flag.visitor_key is None:
            return DeadLetter("value_invalid", "a flag names a click and its visitor")
        if self._erasing.forgot(flag.visitor_key):
            return ERASED
        late = log_time if flag.source_offset < progress.screened_to else Millis(0)
        known = self._state.journeys.notes(flag.visitor_key, flag.click_id)
        merged = merge_notes(known, notes_of(flag, late))
        if merged == known:
            return REPEATED
        self._state.journeys.set_notes(flag.visitor_key, flag.click_id, merged, log_time)
        self._concern(flag.visitor_key, ulid_time(flag.click_id))
        return NOTED

    def columns(self, batch: Columns) -> int:
        """Take a batch; returns how many touches were dropped because the visitor was erased."""
        # Only those who read hot topics pay for loading polars.
        from services.attribution.touch_columns import runs, touches  # noqa: PLC0415

        progress, end = self._state.progress, batch.offsets[-1] + 1
        if batch.topic == Click.topic:
            taken = touches(batch, CLICK, progress.clicks_log)
            self._clicks_read(end, Millis(int(taken.log_time[-1])))
        else:
            taken = touches(batch, IMPRESSION, progress.views_log)
            self._views_read(end, Millis(int(taken.log_time[-1])))
            taken = taken.only(self._horizon.viewed_offers())
        keys = taken.columns.keys
        erased = self._erasing.named(keys)
        refused = {n for n in erased if self._erasing.refuses(keys[n], taken.at(n))}
        if refused:
            taken = taken.pick([n for n in range(len(keys)) if n not in refused])
        self._state.journeys.add_runs(runs(taken))
        concerned = self._state.with_open(taken.columns.keys)
        if concerned:
            instants = taken.columns.frame.get_column("occurred_at")
            for n in concerned:
                self._concern(taken.columns.keys[n], Millis(instants[n]))
        return len(refused)

    def _put(self, visitor: bytes, seen: Seen) -> Outcome:
        if self._erasing.refuses(visitor, seen.log_time):
            return ERASED
        self._state.journeys.add(visitor, seen)
        self._concern(visitor, seen.occurred_at)
        return NOTED

    def _clicks_read(self, end: int, log_time: Millis) -> None:
        progress = self._state.progress
        self._state.progress = msgspec.structs.replace(
            progress, clicks_next=max(progress.clicks_next, end), clicks_log=log_time
        )

    def _views_read(self, end: int, log_time: Millis) -> None:
        progress = self._state.progress
        self._state.progress = msgspec.structs.replace(
            progress, views_next=max(progress.views_next, end), views_log=log_time
        )
