"""Who may follow an offer's links: visitors, hours, partners, and how many of them."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field


class Day(StrEnum):
    """A day of the week, as a schedule names it."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


WEEK = tuple(Day)
DAY_MINUTES = 24 * 60


class Device(StrEnum):
    """A kind of device."""

    DESKTOP = "desktop"
    MOBILE = "mobile"
    TABLET = "tablet"
    BOT = "bot"
    OTHER = "other"


class System(StrEnum):
    """An operating system, as targeting names it."""

    WINDOWS = "windows"
    MACOS = "macos"
    IOS = "ios"
    ANDROID = "android"
    LINUX = "linux"
    CHROMEOS = "chromeos"
    OTHER = "other"


class Hours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of some days on the clock of the offer's time zone, in minutes after midnight.

    `start` belongs to it, `end` does not. Where `end` is not after `start` it lies on the next day.
    """

    days: list[Day] = field(default_factory=lambda: list(WEEK))
    start: int = 0
    end: int = DAY_MINUTES


class Targeting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a visit must be like. An empty list asks for nothing; `not_` lists exclude.

    Countries are ISO 3166 codes in capitals, languages BCP 47 tags in lower case.
    """

    countries: list[str] = []
    not_countries: list[str] = []
    devices: list[Device] = []
    not_devices: list[Device] = []
    systems: list[System] = []
    not_systems: list[System] = []
    languages: list[str] = []
    not_languages: list[str] = []
    partners: list[int] = []
    not_partners: list[int] = []
    schedule: list[Hours] = []


class CapPeriod(StrEnum):
    """How long clicks are counted together, by the offer's time zone."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


class CapScope(StrEnum):
    """Whose clicks are counted together."""

    OFFER = "offer"
    PARTNER = "partner"


class ClickCap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `clicks` in a period: of the whole offer, or of each partner."""

    clicks: int
    per: CapPeriod = CapPeriod.DAY
    each: CapScope = CapScope.OFFER
