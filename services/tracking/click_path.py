"""The hot path: a request for a link becomes a journal record and a redirect."""

from __future__ import annotations

import os
from collections.abc import Container
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from afflux.kernel.events import ClickOutcome
from afflux.kernel.ids import ulid
from afflux.kernel.keys import click_key
from afflux.kernel.token import Signer
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.addresses import Proxies
from services.tracking.domain.agents import is_prefetch, is_preview_agent
from services.tracking.domain.clicks import (
    AGENT_LIMIT,
    NO_EXTRAS,
    Extras,
    read_extras,
    read_visitor,
    visitor_cookie,
)
from services.tracking.domain.entries import ClickEntry, Kind, encode
from services.tracking.domain.privacy import DAY_MS, ip_day_key, ip_parts, split_referrer
from services.tracking.domain.routes import EMPTY, Route, Routes

_POOL = 4_080
_ADDRESSES = 65_536
_NO_STORE = ("cache-control", "no-store")
_TEXT = [("content-type", "text/plain; charset=utf-8"), _NO_STORE]
_language = lru_cache(maxsize=4_096)(lambda text: text.partition(",")[0].partition(";")[0][:35])
_referrer = lru_cache(maxsize=8_192)(split_referrer)


class Headers(Protocol):
    """Request headers, names in lower case."""

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return a header's value, or the default."""
        ...


class Visit(Struct, frozen=True):
    """One request for a link."""

    code: str
    query: str
    headers: Headers
    client: str
    is_head: bool
    received_at: Millis


class Answer(Struct, frozen=True):
    """What to answer, and what to journal before (None: no link, nothing to journal).

    `outcome` is a ClickOutcome, or `unknown` for a code that no link has.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    payload: bytes | None
    outcome: str
    kind: int = int(Kind.CLICK)

    @property
    def location(self) -> str | None:
        """Where a redirect leads."""
        return self._header("location")

    @property
    def cookie(self) -> str | None:
        """The cookie that is set."""
        return self._header("set-cookie")

    def _header(self, wanted: str) -> str | None:
        return next((value for name, value in self.headers if name == wanted), None)


class Seen(Struct, frozen=True):
    """What was decided about a visit."""

    click_id: Id16
    visitor: bytes
    is_new: bool
    landing_id: int | None
    outcome: ClickOutcome


class ClickPath:
    """Turns visits into answers. Holds keys, the routes, and caches; no I/O but randomness."""

    def __init__(
        self,
        secret: bytes,
        key_id: int,
        *,
        secure_cookie: bool,
        proxies: Proxies | None = None,
    ) -> None:
        self.routes: Routes = EMPTY
        self.erased: Container[bytes] = frozenset()
        self._secret = secret
        self._signer = Signer(key_id, click_key(secret, key_id))
        self._secure = secure_cookie
        self._proxies = proxies or Proxies()
        self._pool = b""
        self._pool_at = 0
        self._day = -1
        self._day_key = b""
        self._addresses: dict[str, tuple[str, bytes]] = {}

    def answer(self, visit: Visit) -> Answer:
        """Return the answer to a visit; pure but for fresh ids."""
        route = self.routes.by_code.get(visit.code)
        if route is None:
            return _answer(self.routes.fallback_url, None, None, "unknown")
        cookie = visit.headers.get("cookie")
        known = None if cookie is None else read_visitor(cookie)
        if known in self.erased:
            known = None  # the visitor was erased: whoever comes with its cookie is somebody new
        visitor = known or self._random(16)
        click_id = ulid(visit.received_at, self._random(10))
        outcome = self._outcome(visit, route)
        extras = read_extras(visit.query) if visit.query else NO_EXTRAS
        landing_id, location = None, self.routes.fallback_url
        if route.reason is None:
            target = route.target(visitor)
            landing_id = target.landing_id
            token = self._signer.sign(click_id, visitor, route.tail)
            location = target.expand(token, extras.values)
        set_cookie = None
        if known is None and outcome is not ClickOutcome.PREVIEW:
            set_cookie = visitor_cookie(visitor, secure=self._secure)
        seen = Seen(click_id, visitor, known is None, landing_id, outcome)
        payload = encode(self._entry(visit, route, extras, seen))
        return _answer(location, set_cookie, payload, outcome)

    def _entry(self, visit: Visit, route: Route, extras: Extras, seen: Seen) -> ClickEntry:
        prefix, hashed = self._address(visit)
        header = visit.headers.get
        referrer = header("referer")
        host, path = (None, None) if referrer is None else _referrer(referrer[:1_000])
        language = header("accept-language")
        return ClickEntry(
            seen.click_id,
            seen.visitor,
            seen.is_new,
            route.link_id,
            route.partner_id,
            route.offer_id,
            route.advertiser_id,
            None,
            seen.landing_id,
            visit.received_at,
            prefix,
            hashed,
            None,
            None,
            (header("user-agent") or "")[:AGENT_LIMIT],
            None,
            _language(language) if language else None,
            host,
            path,
            extras.source,
            extras.sub,
            extras.ref_id,
            None,
            None,
            _fetch_metadata(header("sec-fetch-site"), visit.headers),
            seen.outcome,
            route.reason,
        )

    def _outcome(self, visit: Visit, route: Route) -> ClickOutcome:
        if route.reason is not None:
            return ClickOutcome.FALLBACK if self.routes.fallback_url else ClickOutcome.REFUSED
        header = visit.headers.get
        if (
            visit.is_head
            or is_preview_agent(header("user-agent") or "")
            or is_prefetch(header("sec-purpose") or header("purpose"))
        ):
            return ClickOutcome.PREVIEW
        return ClickOutcome.REDIRECTED

    def _address(self, visit: Visit) -> tuple[str, bytes]:
        day = visit.received_at // DAY_MS
        if day != self._day or len(self._addresses) > _ADDRESSES:
            self._day, self._day_key = day, ip_day_key(self._secret, visit.received_at)
            self._addresses.clear()
        header = self._proxies.header
        if header:
            address = self._proxies.client(visit.client, visit.headers.get(header))
        else:
            address = visit.client.rpartition(":")[0]
        parts = self._addresses.get(address)
        if parts is None:
            parts = self._addresses[address] = ip_parts(address, self._day_key)
        return parts

    def _random(self, size: int) -> bytes:
        start = self._pool_at
        if start + size > len(self._pool):
            self._pool, start = os.urandom(_POOL), 0
        self._pool_at = start + size
        return self._pool[start : start + size]


def _answer(
    location: str | None, cookie: str | None, payload: bytes | None, outcome: str
) -> Answer:
    if location is None:
        return Answer(404, _TEXT, b"This link leads nowhere.\n", payload, outcome)
    headers = [("location", location), _NO_STORE]
    if cookie is not None:
        headers.append(("set-cookie", cookie))
    return Answer(302, headers, b"", payload, outcome)


def _fetch_metadata(site: str | None, headers: Headers) -> str | None:
    if site is None:
        return None
    mode, dest = headers.get("sec-fetch-mode") or "", headers.get("sec-fetch-dest") or ""
    return f"{site[:20]},{mode[:20]},{dest[:20]}"
