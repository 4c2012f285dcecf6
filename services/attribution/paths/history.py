"""Touches and conversions out of the log: what was tracked or imported, read to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl
from msgspec import Struct

from afflux.kernel.events import Click, ClickFlag, Conversion
from afflux.kernel.events.fraud import FlagAction
from afflux.kernel.events.tracking import ClickOutcome, Status
from afflux.kernel.money import digits
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings
from services.attribution.paths.journeys import CONVERSIONS, TOUCHES, journeys

_TOUCHES = (ClickOutcome.REDIRECTED, ClickOutcome.FALLBACK)
_MAX_MS = 2**62
ChannelOf = Callable[[Click], str]


class Scope(Struct, frozen=True, kw_only=True):
    """Which part of history: instants in ms, the first included, the last not; None: all.

    `valued` False leaves out values, so that currencies need not agree.
    """

    offer_id: int | None = None
    advertiser_id: int | None = None
    goal: str | None = None
    currency: str | None = None
    valued: bool = True
    start: int = 0
    end: int = _MAX_MS
    lookback_ms: int

    def has_click(self, click: Click) -> bool:
        """Tell whether a click may be a touch: answered by a redirect, of the offer, in time."""
        return (
            click.outcome in _TOUCHES
            and self.offer_id in (None, click.offer_id)
            and self.start - self.lookback_ms <= click.occurred_at < self.end
        )

    def has_conversion(self, report: Conversion) -> bool:
        """Tell whether a conversion counts: not rejected, of the offer or of none, in time.

        A report that names neither an offer nor a click may be of any offer of its advertiser.
        """
        return (
            report.status is not Status.REJECTED
            and self.goal in (None, report.goal)
            and self.advertiser_id in (None, report.advertiser_id)
            and self.offer_id in (None, report.offer_id or report.click_offer_id or self.offer_id)
            and self.start <= report.occurred_at < self.end
        )


async def read_journeys(settings: Settings, scope: Scope, channel_of: ChannelOf) -> pl.DataFrame:
    """Return the journeys of a part of history (see `journeys`), clicks found invalid left out.

    Errors: Refused when conversions have several currencies and none was chosen.
    """
    reader = Reader(scope, channel_of)
    topics = (Click.topic, ClickFlag.topic, Conversion.topic)
    async for records in read_topic(settings, topics, Codec.load()):
        for record in records:
            match record.event:
                case Click() as click:
                    reader.take_click(click)
                case ClickFlag() as flag:
                    reader.take_flag(flag)
                case Conversion() as report:
                    reader.take_conversion(report)
    return reader.journeys()


class Reader:
    """What was read so far."""

    def __init__(self, scope: Scope, channel_of: ChannelOf) -> None:
        self._scope = scope
        self._channel_of = channel_of
        self._clicks: dict[bytes, tuple[object, ...]] = {}
        self._invalid: set[bytes] = set()
        self._reports: dict[bytes, Conversion] = {}

    def take_click(self, click: Click) -> None:
        """Keep a click that may be a touch; one that came twice counts once."""
        if self._scope.has_click(click):
            self._clicks[click.click_id] = (
                click.visitor_key,
                click.advertiser_id,
                click.occurred_at,
                click.click_id,
                self._channel_of(click),
            )

    def take_flag(self, flag: ClickFlag) -> None:
        """Note a click that was found invalid."""
        if flag.click_id is not None and flag.action is FlagAction.INVALID:
            self._invalid.add(flag.click_id)

    def take_conversion(self, report: Conversion) -> None:
        """Keep the first report under a conversion key (law I2)."""
        if self._scope.has_conversion(report):
            self._reports.setdefault(report.conversion_key, report)

    def journeys(self) -> pl.DataFrame:
        """Return the journeys of what was read."""
        valid = [row for click_id, row in self._clicks.items() if click_id not in self._invalid]
        touches = pl.DataFrame(valid, schema=TOUCHES, orient="row")
        rows = [
            (report.visitor_key, report.advertiser_id, report.occurred_at, self._value(report))
            for report in self._in_one_currency().values()
        ]
        conversions = pl.DataFrame(rows, schema=CONVERSIONS, orient="row")
        return journeys(touches, conversions, self._scope.lookback_ms)

    def _in_one_currency(self) -> Mapping[bytes, Conversion]:
        wanted = self._scope.currency
        if not self._scope.valued:
            return self._reports
        if wanted is not None:
            return {k: each for k, each in self._reports.items() if each.currency == wanted}
        found = sorted({each.currency for each in self._reports.values() if each.currency})
        if len(found) > 1:
            raise Refused(f"conversions are in {', '.join(found)}: choose one with --currency")
        return self._reports

    def _value(self, report: Conversion) -> float:
        if report.value_minor is None or report.currency is None or not self._scope.valued:
            return 0.0
        return float(report.value_minor / 10 ** digits(report.currency))
