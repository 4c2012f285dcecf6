"""What persons wish to have decided again, with later knowledge of the catalogue.

A wish holds for ever, whatever comes first, it or the conversion: the latest knowledge wins, also
in later revisions. Conversions of a visitor that was erased before the wish stay as they are: what
they were decided by is gone.
"""

from __future__ import annotations

from collections.abc import MutableMapping

import msgspec

from afflux.kernel.events import Conversion, Redecision
from afflux.kernel.outcome import DeadLetter, Drop, Emit, Outcome
from afflux.kernel.types import Millis
from services.attribution.domain.erasing import Erasing
from services.attribution.domain.horizon import Horizon
from services.attribution.domain.parking import visitor_of
from services.attribution.lasting import Lasting
from services.attribution.rows import Open
from services.attribution.state import REDECISIONS, State

_NOTED: Outcome = Emit(())
_REPEATED: Outcome = Drop("redelivered")
_ERASED: Outcome = Drop("visitor_erased")


class Redeciding:
    """The wishes of one partition."""

    def __init__(self, state: State, lasting: Lasting, erasing: Erasing, horizon: Horizon) -> None:
        self._state = state
        self._lasting = lasting
        self._erasing = erasing
        self._horizon = horizon
        self._pending: dict[bytes, Conversion] = {}
        self._any = state.offsets[REDECISIONS] > 0

    def take(self, wish: Redecision) -> Outcome:
        """Note a wish; one that knows less than an earlier one changes nothing."""
        conversion, key = wish.conversion, wish.conversion.conversion_key
        if wish.known_at > wish.recorded_at:
            return DeadLetter("value_invalid", "nobody knows the catalogue of after the request")
        visitor = visitor_of(conversion)
        if visitor is not None and self._erasing.erased_before(visitor, wish.recorded_at):
            return _ERASED
        if wish.known_at <= self._lasting.wish(key):
            return _REPEATED
        (first,) = self._state.known([key])
        if first is not None and first != conversion.body_hash:
            return DeadLetter("conflicting_report", f"conversion {key.hex()} has another body")
        self._lasting.set_wish(key, wish.known_at)
        self._any = True
        if first is not None:
            self._pending[key] = conversion
        return _NOTED

    def wish(self, conversion_key: bytes) -> Millis:
        """Return the knowledge a conversion is to be decided with, 0 for that of its report."""
        return self._lasting.wish(conversion_key) if self._any else Millis(0)

    def pending(self, found: MutableMapping[bytes, Open], now: Millis) -> list[Open]:
        """Take the wishes of this batch: those on open conversions go into `found`, as open with
        the new knowledge; return the others, as they were when they were finished."""
        finished: list[Open] = []
        for key, conversion in sorted(self._pending.items()):
            visitor = visitor_of(conversion)
            opened = found.get(key) or next(
                iter(self._state.opened([(visitor, key)] if visitor is not None else [])), None
            )
            known_at = self._lasting.wish(key)
            if opened is not None:
                found[key] = msgspec.structs.replace(opened, known_at=known_at)
            else:
                finished.append(self._as_finished(conversion, known_at, now))
        self._pending = {}
        return finished

    def _as_finished(self, conversion: Conversion, known_at: Millis, now: Millis) -> Open:
        last = self._lasting.last(conversion.conversion_key)
        epoch = last.epoch or self._state.meta.epoch
        # What it may see is a property of the log, as long as the store still holds it.
        since = conversion.recorded_at - self._horizon.keep_ms(conversion.recorded_at)
        return Open(
            conversion,
            0,
            now,
            epoch,
            last.version,
            last.decision_id,
            known_at=known_at,
            since=Millis(since),
            views=self._horizon.views_matter(conversion.advertiser_id, known_at),
        )
