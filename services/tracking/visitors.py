"""What a request says of its visitor: key, address, country, agent, wishes."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Sequence
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from afflux.kernel.types import Millis
from services.tracking.domain.addresses import Proxies
from services.tracking.domain.agents import (
    Agent,
    Classifier,
    class_only,
    hints_text,
    is_prefetch,
    is_preview_agent,
)
from services.tracking.domain.blocks import NO_PAGE, block
from services.tracking.domain.clicks import AGENT_LIMIT, read_visitor
from services.tracking.domain.geo import Locate, nowhere
from services.tracking.domain.opt_out import OptOut, signal
from services.tracking.domain.privacy import DAY_MS, ip_day_key, ip_parts, split_referrer

_POOL = 4_080
_ADDRESSES = 65_536
_page = lru_cache(maxsize=8_192)(lambda referrer: block(split_referrer(referrer)))
_LONGEST = 300
"""More of a header is not looked at, nor remembered by a cache."""
Header = Callable[[str], str | None]
Place = tuple[str, bytes, str | None, bytes]
"""Network, hash of the address, country, and block of country and network's number."""


class Headers(Protocol):
    """Request headers, names in lower case."""

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the value of a header's first line, or the default."""
        ...

    def get_all(self, key: str) -> Sequence[str]:
        """Return the values of all lines of a header."""
        ...


class Visit(Struct, frozen=True, gc=False):
    """One request for a link."""

    code: str
    query: str
    headers: Headers
    client: str
    is_head: bool
    received_at: Millis


class Browser(Struct, frozen=True, gc=False):
    """What headers say that a visitor sends each time; `block` is what the journal holds of it."""

    user_agent: str
    hints: str | None
    language: str | None
    is_preview: bool
    block: bytes


class Seen(Struct, frozen=True, gc=False):
    """A visitor as this request shows it.

    `opted_out` names the signal of one that wants not to be followed: it is nobody we know, its key
    is fresh, and there is no hash of its address. `where` and `page` are blocks of the journal.
    """

    key: bytes
    is_new: bool
    opted_out: str | None
    is_preview: bool
    ip_prefix: str
    ip_hash: bytes
    country: str | None
    where: bytes
    browser: Browser
    page: bytes
    fetch_metadata: str | None


class Visitors:
    """Reads visitors out of requests. Holds keys and caches; no I/O but randomness."""

    def __init__(
        self, secret: bytes, classifier: Classifier, opt_out: OptOut, proxies: Proxies
    ) -> None:
        self._secret = secret
        self._classifier = classifier
        self._opt_out = opt_out
        self._heeds = opt_out is not OptOut.OFF
        self._proxies = proxies
        self.erased: Container[bytes] = frozenset()
        self._locate: Locate = nowhere
        self._pool = b""
        self._pool_at = 0
        self._day = -1
        self._day_key = b""
        self._places: dict[str, Place] = {}

    def locate_with(self, locate: Locate) -> None:
        """Ask another database from now on; from any thread."""
        self._locate = locate
        self._places = {}

    def see(self, visit: Visit) -> Seen:
        """Return who makes a request."""
        header = visit.headers.get
        opted_out = signal(self._opt_out, header) if self._heeds else None
        cookie = None if opted_out else header("cookie")
        known = None if cookie is None else read_visitor(cookie)
        if known is not None and known in self.erased:
            known = None
        prefix, hashed, country, where = self._place(visit)
        user_agent = (header("user-agent") or "")[:AGENT_LIMIT]
        mobile = header("sec-ch-ua-mobile")
        hints = None
        if mobile is not None:
            hints = _hints(mobile, header)
        languages, referrer = header("accept-language"), header("referer")
        browser = _browser(user_agent, hints, languages and languages[:_LONGEST])
        site = header("sec-fetch-site")
        return Seen(
            known or self.random(16),
            known is None,
            opted_out,
            visit.is_head
            or browser.is_preview
            or is_prefetch(header("sec-purpose") or header("purpose")),
            prefix,
            b"" if opted_out else hashed,
            country,
            where,
            browser,
            NO_PAGE if referrer is None else _page(referrer[:1_000]),
            None if site is opted_out is None else _fetch_metadata(site, header, opted_out),
        )

    def warm(self) -> None:
        """Load the patterns of user agents, which takes a third of a second."""
        self._classifier.classify("Mozilla/5.0")

    def agent(self, seen: Seen) -> Agent:
        """Return device, system and browser; cached: finding out takes up to 1 ms."""
        return self._classifier.classify(seen.browser.user_agent, seen.browser.hints)

    def kept_agent(self, seen: Seen) -> bytes:
        """Return the block of the agent to keep: after an opt-out the kind of device only."""
        if seen.opted_out is None:
            return seen.browser.block
        return block(("", class_only(self.agent(seen).device), seen.browser.language))

    def random(self, size: int) -> bytes:
        """Return random bytes, out of a pool."""
        start = self._pool_at
        if start + size > len(self._pool):
            self._pool, start = os.urandom(_POOL), 0
        self._pool_at = start + size
        return self._pool[start : start + size]

    def _place(self, visit: Visit) -> Place:
        day = visit.received_at // DAY_MS
        if day != self._day or len(self._places) > _ADDRESSES:
            self._day, self._day_key = day, ip_day_key(self._secret, visit.received_at)
            self._places = {}
        places = self._places
        if self._proxies.header:
            address = self._proxies.address(visit.client, visit.headers)
        else:
            address = visit.client.rpartition(":")[0]
        place = places.get(address)
        if place is None:
            country, asn = self._locate(address.strip("[]"))
            place = (*ip_parts(address, self._day_key), country, block((country, asn)))
            places[address] = place
        return place


def _hints(mobile: str, header: Header) -> str:
    platform, brands = header("sec-ch-ua-platform") or "", header("sec-ch-ua") or ""
    return hints_text(mobile[:_LONGEST], platform[:_LONGEST], brands[:_LONGEST])


def _fetch_metadata(site: str | None, header: Header, opted_out: str | None) -> str:
    """Return what the browser says of its request, `site,mode,dest`, and `;gpc` or `;dnt` where
    that signal was followed."""
    mark = "" if opted_out is None else f";{opted_out}"
    if site is None:
        return mark
    mode, dest = header("sec-fetch-mode") or "", header("sec-fetch-dest") or ""
    return _fetched(site[:20], mode[:20], dest[:20]) + mark


@lru_cache(maxsize=8_192)
def _browser(user_agent: str, hints: str | None, languages: str | None) -> Browser:
    language = None
    if languages:
        language = languages.partition(",")[0].partition(";")[0].strip()[:35]
    kept = block((user_agent, hints, language))
    return Browser(user_agent, hints, language, is_preview_agent(user_agent), kept)


@lru_cache(maxsize=1_024)
def _fetched(site: str, mode: str, dest: str) -> str:
    return f"{site},{mode},{dest}"
