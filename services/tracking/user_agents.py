"""Device, system and browser of a user agent, by ua-parser behind a cache.

Matching costs up to a millisecond; visitors share few user agents.
"""

from __future__ import annotations

from functools import lru_cache

from services.tracking.domain.agents import UNKNOWN, Agent, refine

_CACHE = 50_000
_DESKTOP = frozenset(("Windows", "Mac OS X", "Linux", "Ubuntu", "Fedora", "Chrome OS", "FreeBSD"))


class UserAgents:
    """Classifies user agents; satisfies `domain.agents.Classifier`."""

    def __init__(self, cache: int = _CACHE) -> None:
        plain = lru_cache(maxsize=cache)(_classify)

        @lru_cache(maxsize=cache)
        def classify(user_agent: str, hints: str | None = None) -> Agent:
            return refine(plain(user_agent), hints)

        self.classify = classify


def _classify(user_agent: str) -> Agent:
    from ua_parser import parse  # noqa: PLC0415 - loads its patterns, 0.3 s

    if not user_agent:
        return UNKNOWN
    found = parse(user_agent)
    system = found.os.family if found.os else "unknown"
    browser = found.user_agent.family if found.user_agent else "unknown"
    family = found.device.family if found.device else ""
    return Agent(_device(user_agent, system, family), system, browser)


def _device(user_agent: str, system: str, family: str) -> str:
    if family == "Spider":
        return "bot"
    if "iPad" in user_agent or "Tablet" in user_agent:
        return "tablet"
    if system == "Android":
        return "mobile" if "Mobile" in user_agent else "tablet"
    if system == "iOS" or "Mobile" in user_agent:
        return "mobile"
    return "desktop" if system in _DESKTOP else "other" if family or system else "unknown"
