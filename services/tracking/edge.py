"""The public port: a raw RSGI application."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Protocol

from afflux.kernel.events import ClickOutcome
from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.clock import now_ms
from afflux.runtime.log import get_logger
from services.tracking.click_path import ClickPath, Headers, Visit
from services.tracking.domain.authentication import Request
from services.tracking.domain.entries import Kind
from services.tracking.domain.refusal import Refusal
from services.tracking.journal import Journal
from services.tracking.reports import Reports

log = get_logger(__name__)
MAX_POSTBACK = 64 << 10
MAX_BATCH_BODY = 4 << 20
_TEXT = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]
_JSON = [("content-type", "application/json"), ("cache-control", "no-store")]
_NO_STORE = ("cache-control", "no-store")
RETRY_AFTER_S = "5"
_CLICK = int(Kind.CLICK)


class Scope(Protocol):
    """What RSGI says of a request."""

    proto: str
    method: str
    path: str
    query_string: str
    client: str

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        ...


class Wire(Protocol):
    """RSGI's way to read a body and to answer."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the body's chunks."""
        ...

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""
        ...

    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        """Answer with a text."""
        ...


class Edge:
    """Routes requests; nothing is answered before it is durable (law T1)."""

    def __init__(self, clicks: ClickPath, reports: Reports, journal: Journal) -> None:
        self._clicks = clicks
        self._reports = reports
        self._journal = journal
        outcomes = (*ClickOutcome, "unknown")
        self._counters = {str(name): metrics.CLICKS.labels(name) for name in outcomes}
        self._endpoints = {
            ("GET", "/postback"): (reports.postback, MAX_POSTBACK),
            ("POST", "/postback"): (reports.postback, MAX_POSTBACK),
            ("POST", "/v1/conversions"): (reports.conversions, MAX_BATCH_BODY),
            ("POST", "/v1/adjustments"): (reports.adjustments, MAX_BATCH_BODY),
        }
        self._paths = {path for _, path in self._endpoints}

    async def __rsgi__(self, scope: Scope, wire: Wire) -> None:
        """Answer one request."""
        path = scope.path
        if not path.startswith("/c/"):
            await self._report(scope, wire, path)
            return
        method = scope.method
        if method not in ("GET", "HEAD"):
            wire.response_str(405, [*_TEXT, ("allow", "GET, HEAD")], "use GET\n")
            return
        visit = Visit(
            path[3:],
            scope.query_string,
            scope.headers,
            scope.client,
            method == "HEAD",
            Millis(time.time_ns() // 1_000_000),
        )
        answer = self._clicks.answer(visit)
        if answer.payload is not None:
            if self._journal.full:
                self._unlogged()
            else:
                group, index = self._journal.append(_CLICK, answer.payload)
                if index >= await group.future:
                    self._unlogged()
        self._counters[answer.outcome if answer.payload else "unknown"].inc()
        if answer.location is None:
            wire.response_str(404, _TEXT, "This link leads nowhere.\n")
        elif answer.cookie is None:
            wire.response_empty(302, [("location", answer.location), _NO_STORE])
        else:
            wire.response_empty(
                302, [("location", answer.location), ("set-cookie", answer.cookie), _NO_STORE]
            )

    def _unlogged(self) -> None:
        self._journal.count_unlogged()
        metrics.CLICKS_UNLOGGED.inc()

    async def _report(self, scope: Scope, wire: Wire, path: str) -> None:
        endpoint = self._endpoints.get((scope.method, path))
        if endpoint is None:
            status = 405 if path in self._paths else 404
            wire.response_str(status, _TEXT, "There is nothing here.\n")
            return
        handle, limit = endpoint
        body = await _read_body(scope, wire, limit)
        headers = scope.headers
        if body is None:
            refusal = Refusal("body_too_large", f"at most {limit} bytes are allowed")
            status, answer = refusal.status, refusal.as_answer()
        else:
            request = Request(
                scope.method,
                path,
                scope.query_string,
                body,
                headers.get("content-type"),
                headers.get,
                now_ms(),
            )
            status, answer = await handle(request)
        metrics.REPORTS.labels(path, str(answer.get("reason") or answer.get("status"))).inc()
        extra = [("retry-after", RETRY_AFTER_S)] if status == 503 else []
        wire.response_str(status, [*_JSON, *extra], json.dumps(answer))


async def _read_body(scope: Scope, wire: Wire, limit: int) -> bytes | None:
    """Return the body, or None as soon as it is over the limit."""
    if scope.method == "GET":
        return b""
    declared = scope.headers.get("content-length") or "0"
    if not declared.isdigit() or int(declared) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in wire:
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return None
    return b"".join(chunks)
