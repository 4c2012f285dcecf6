"""One call of a partner's URL, within bounds: public addresses, few redirects, little time, a
small answer. Whatever the other side does, an `Answer` comes back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from email.utils import parsedate_to_datetime
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import aiohttp
from msgspec import Struct
from yarl import URL

from afflux.kernel.macros import MacroError
from afflux.kernel.postback import postback_template
from afflux.kernel.types import Millis
from services.notify.domain.addresses import Network
from services.notify.domain.schedule import BODY_LIMIT, Answer
from services.notify.domain.signing import KEY_ID, SIGNATURE, TIMESTAMP, signature
from services.notify.resolving import (
    AddressRefused,
    CheckedResolver,
    Lookup,
    NameRefused,
    guarded_sockets,
    system_lookup,
)

MAX_REDIRECTS = 3
SNIPPET = 300
_TO_GET = frozenset({301, 302, 303})
_SAME = frozenset({307, 308})
Clock = Callable[[], Millis]


class Request(Struct, frozen=True):
    """What is sent; `key` signs it, under the name `key_id`."""

    event_id: bytes
    attempt: int
    method: str
    url: str
    body: bytes = b""
    key_id: str | None = None
    key: bytes | None = None


class Limits(Struct, frozen=True):
    """Bounds of a call: where it may go besides public addresses, and for how many seconds."""

    allowed: tuple[Network, ...] = ()
    total_s: float = 10.0
    connections: int = 64


class _Refused(Exception):
    """A redirect that is not followed."""


class Caller(AbstractAsyncContextManager["Caller"]):
    """Calls partners; proxies of the environment and cookies have no say."""

    def __init__(self, limits: Limits, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self._limits = limits
        self._clock = clock
        self._lookup = lookup
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Caller:
        limits = self._limits
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=CheckedResolver(limits.allowed, self._lookup),
                socket_factory=guarded_sockets(limits.allowed),
                use_dns_cache=False,
                limit=limits.connections,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=limits.total_s, sock_connect=limits.total_s / 2),
            headers={"User-Agent": "afflux-postback/1", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, request: Request) -> Answer:
        """Send a request and return what came of it; never raises for what the network does."""
        try:
            async with asyncio.timeout(self._limits.total_s):
                return await self._follow(request)
        except TimeoutError:
            return Answer(reason="no_answer", detail=f"after {self._limits.total_s} s")
        except _Refused as error:
            return Answer(reason="redirect_refused", detail=str(error)[:SNIPPET])
        except (aiohttp.ClientError, OSError, ValueError) as error:
            may_pass = any(isinstance(one, NameRefused) for one in _causes(error))
            return Answer(reason=_reason(error), detail=_one_line(str(error)), may_pass=may_pass)

    async def _follow(self, request: Request) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            answer, location = await self._once(request)
            if location is None:
                return answer
            request = _redirected(request, location, answer.status or 0)
        raise _Refused(f"more than {MAX_REDIRECTS} redirects")

    async def _once(self, request: Request) -> tuple[Answer, str | None]:
        assert self._session is not None
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body or None,
            headers=self._headers(request),
            allow_redirects=False,
        ) as response:
            location = None
            if response.status in _TO_GET | _SAME:
                location = response.headers.get("Location")
            text = await _beginning(response)
            retry_after = _retry_after(response.headers.get("Retry-After"), self._clock())
            response.close()  # whatever else it wants to say
            return Answer(status=response.status, text=text, retry_after_ms=retry_after), location

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {
            "X-Afflux-Event-Id": request.event_id.hex(),
            "X-Afflux-Attempt": str(request.attempt),
        }
        if request.body:
            headers["Content-Type"] = "application/json"
        if request.key is not None and request.key_id is not None:
            now = self._clock() // 1000
            made = signature(request.key, now, request.method, request.url, request.body)
            headers |= {KEY_ID: request.key_id, TIMESTAMP: str(now), SIGNATURE: made}
        return headers


def _redirected(request: Request, location: str, status: int) -> Request:
    """Return the request that a redirect asks for; raises _Refused. A POST is repeated only where
    the status says so: else its body would be lost."""
    url = urljoin(request.url, location).partition("#")[0]
    if "{" in url or "}" in url:
        raise _Refused(f"to {url[:120]!r}")
    try:
        postback_template(url)
    except MacroError as error:
        raise _Refused(f"to {url[:120]!r}: {error}") from error
    if urlsplit(request.url).scheme == "https" and urlsplit(url).scheme != "https":
        raise _Refused(f"from https to {url[:120]!r}")
    if status in _TO_GET and request.method != "GET":
        raise _Refused(f"status {status} would drop the body of a {request.method}")
    return Request(
        request.event_id,
        request.attempt,
        request.method,
        url,
        request.body,
        request.key_id,
        request.key,
    )


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Return the beginning of the body, for people; reads BODY_LIMIT bytes at most."""
    data = b""
    while len(data) < BODY_LIMIT and (more := await response.content.read(BODY_LIMIT - len(data))):
        data += more
    return _one_line(data.decode(errors="replace"))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:SNIPPET]


def _retry_after(text: str | None, now: Millis) -> int | None:
    """Return the milliseconds that Retry-After asks for: seconds or a date."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return int(text.strip()[:9]) * 1000
    try:
        return max(0, round(parsedate_to_datetime(text).timestamp() * 1000) - now)
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """Return the reason code of what went wrong."""
    for one in _causes(error):
        match one:
            case AddressRefused() | aiohttp.InvalidURL():
                return "address_refused"  # the latter is for hosts that are a number in disguise
            case ssl.SSLError() | aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
                return "tls_failed"
            case aiohttp.ClientConnectorDNSError():
                return "name_unresolved"
            case aiohttp.ClientConnectorError():
                return "connection_failed"
            case TimeoutError():
                return "no_answer"
    if isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError | OSError):
        return "connection_failed"
    return "protocol_broken"


def _causes(error: BaseException) -> Sequence[BaseException]:
    """The innermost first: an address that is refused shows as a failed look-up or connection."""
    found: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and len(found) < 8:
        found.append(inner)
        own = getattr(inner, "os_error", None)
        inner = own if isinstance(own, BaseException) and own is not inner else inner.__cause__
    return found[::-1]
