"""An offer's targeting, prepared for clicks: who is refused, and for which reason."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from msgspec import Struct

from afflux.kernel.catalog import Day, Hours, Targeting
from afflux.kernel.types import Millis
from services.tracking.domain.agents import Agent, system_of
from services.tracking.domain.zones import UTC, ZoneRules, week_minute

_WEEK_MINUTES = 7 * 1_440
_DAYS = list(Day)
NOBODY: frozenset[str] = frozenset()


class Choice(Struct, frozen=True):
    """Values asked for (none: any) and values excluded."""

    allowed: frozenset[str]
    denied: frozenset[str]

    def takes(self, *names: str) -> bool:
        """Return whether a visit with these names for one property is taken.

        One that nobody knows has no names: it is none of those asked for, and not excluded.
        """
        if not self.denied.isdisjoint(names):
            return False
        return not self.allowed or not self.allowed.isdisjoint(names)


class Facts(Struct, frozen=True):
    """What is known of a visit; `country` and `language` are None where nobody knows."""

    at: Millis
    country: str | None
    language: str | None
    agent: Agent


class Schedule(Struct, frozen=True):
    """Minutes of the week in which an offer runs: [starts[i], ends[i]), apart and ascending."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    zone: ZoneRules

    def is_open(self, at: Millis) -> bool:
        """Return whether the offer runs at an instant."""
        minute = week_minute(self.zone.local(at))
        place = bisect_right(self.starts, minute) - 1
        return place >= 0 and minute < self.ends[place]


class Rules(Struct, frozen=True):
    """What an offer asks of a visit. None: nothing."""

    schedule: Schedule | None = None
    country: Choice | None = None
    device: Choice | None = None
    system: Choice | None = None
    language: Choice | None = None

    @property
    def needs_agent(self) -> bool:
        """Whether the device or the system counts."""
        return self.device is not None or self.system is not None

    def refusal(self, facts: Facts) -> str | None:
        """Return the reason code of the first rule that refuses a visit, or None."""
        if self.schedule is not None and not self.schedule.is_open(facts.at):
            return "outside_schedule"
        if self.country is not None and not self.country.takes(*_known(facts.country)):
            return "country_unknown" if facts.country is None else "country_not_allowed"
        if self.device is not None and not self.device.takes(*_known(facts.agent.device)):
            return "device_not_allowed"
        if self.system is not None and not self.system.takes(*_known(system_of(facts.agent.os))):
            return "os_not_allowed"
        if self.language is not None and not self.language.takes(*_tags(facts.language)):
            return "language_not_allowed"
        return None


def compile_rules(targeting: Targeting, zone: ZoneRules = UTC) -> Rules | None:
    """Return the rules of an offer in its time zone, or None if it has none for visits."""
    rules = Rules(
        compile_schedule(targeting.schedule, zone),
        _choice(targeting.countries, targeting.not_countries),
        _choice(targeting.devices, targeting.not_devices),
        _choice(targeting.systems, targeting.not_systems),
        _choice(targeting.languages, targeting.not_languages),
    )
    return None if rules == Rules() else rules


def compile_schedule(schedule: Sequence[Hours], zone: ZoneRules) -> Schedule | None:
    """Return the hours of a week in one piece each, or None for no schedule at all."""
    if not schedule:
        return None
    pieces: list[tuple[int, int]] = []
    for hours in schedule:
        length = (hours.end - hours.start) % 1_440 or 1_440
        for day in hours.days:
            start = _DAYS.index(day) * 1_440 + hours.start
            end = start + length
            pieces.append((start, min(end, _WEEK_MINUTES)))
            if end > _WEEK_MINUTES:
                pieces.append((0, end - _WEEK_MINUTES))
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(pieces):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return Schedule(tuple(starts), tuple(ends), zone)


def partner_refusal(targeting: Targeting, partner_id: int) -> str | None:
    """Return why a partner may not promote an offer, or None."""
    wanted = targeting.partners
    if partner_id in targeting.not_partners or (wanted and partner_id not in wanted):
        return "partner_not_allowed"
    return None


def _choice(allowed: Sequence[str], denied: Sequence[str]) -> Choice | None:
    if not allowed and not denied:
        return None
    return Choice(frozenset(map(str, allowed)), frozenset(map(str, denied)))


def _known(value: str | None) -> tuple[str, ...]:
    return () if value is None or value == "unknown" else (value,)


def _tags(language: str | None) -> tuple[str, ...]:
    """Return a tag and its language alone: `pt-BR` is asked for by `pt-br` and by `pt`."""
    if not language or language == "*":
        return ()
    tag = language.lower()
    return (tag, tag.partition("-")[0])
