"""How far back touches matter, and to whom views do: read off the catalogue's log.

Every answer is as known at an instant of log time, and grows with it: of all versions recorded by
then, whether they are still in force or not. So it is a property of the log, and what was dropped
because nobody could need it is never missed later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping

from msgspec import Struct

from afflux.kernel.catalog import Catalog, Offer
from afflux.kernel.types import Millis


class Horizon:
    """The longest windows and the first view windows of a catalogue that may grow."""

    def __init__(self, catalog: Catalog, keep_ms: int) -> None:
        """`keep_ms`: touches are kept at least so long."""
        self._catalog = catalog
        self._keep_ms = keep_ms
        self._revision = -1
        self._read = _Windows([], [], {}, {})

    def keep_ms(self, known_at: Millis) -> int:
        """Return how long touches are kept: the longest window that was known at `known_at`."""
        windows = self._windows()
        found = bisect_right(windows.known_at, known_at)
        return max(self._keep_ms, windows.longest_ms[found - 1] if found else 0)

    def views_matter(self, advertiser_id: int, known_at: Millis) -> bool:
        """Return whether a view could earn anything of this advertiser."""
        since = self._windows().advertisers.get(advertiser_id)
        return since is not None and since <= known_at

    def viewed_offers(self) -> Mapping[int, Millis]:
        """Return since when it was known of an offer that its views may earn."""
        return self._windows().offers

    def _windows(self) -> _Windows:
        if self._revision != self._catalog.revision:
            self._read = _read(self._catalog)
            self._revision = self._catalog.revision
        return self._read


class _Windows(Struct, frozen=True):
    """`longest_ms[n]`: the longest window known from `known_at[n]` on."""

    known_at: list[Millis]
    longest_ms: list[int]
    advertisers: dict[int, Millis]
    offers: dict[int, Millis]


def _read(catalog: Catalog) -> _Windows:
    versions = [
        (version.recorded_at, version.entity)
        for name in catalog.ids(Offer)
        for version in catalog.history(Offer.kind, name)
        if isinstance(version.entity, Offer)
    ]
    read = _Windows([], [], {}, {})
    longest = 0
    for known_at, offer in sorted(versions, key=_when_known):
        click, view = _seconds(offer)
        if max(click, view) > longest:
            longest = max(click, view)
            read.known_at.append(known_at)
            read.longest_ms.append(longest * 1000)
        if view > 0:
            read.advertisers.setdefault(offer.advertiser_id, known_at)
            read.offers.setdefault(offer.id, known_at)
    return read


def _when_known(version: tuple[Millis, Offer]) -> Millis:
    return version[0]


def _seconds(offer: Offer) -> tuple[int, int]:
    """Return the longest click window and the longest view window that an offer gives anybody."""
    clicks: Iterable[int | None] = (
        offer.click_window_s,
        *(goal.window_s for goal in offer.goals),
        *(each.click_window_s for each in offer.partner_windows),
    )
    views: Iterable[int | None] = (
        offer.view_window_s,
        *(goal.view_window_s for goal in offer.goals),
        *(each.view_window_s for each in offer.partner_windows),
    )
    return max(each or 0 for each in clicks), max(each or 0 for each in views)
