"""The public port: links are answered on a path of their own, reports by the event loop."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.clock import now_ms
from afflux.runtime.log import get_logger
from services.tracking.bodies import read_body
from services.tracking.click_path import Answer, ClickPath, Visit
from services.tracking.domain.addresses import Proxies
from services.tracking.domain.authentication import Request
from services.tracking.domain.entries import Kind
from services.tracking.domain.limits import Gate
from services.tracking.domain.refusal import Refusal
from services.tracking.endpoints import Endpoints, Response, text_response
from services.tracking.journal import Journal
from services.tracking.links import MAX_QUERY, answer_link, is_link
from services.tracking.server import Arrival, Scope, Wire

log = get_logger(__name__)
_CLICK = int(Kind.CLICK)
_QUERY_TOO_LONG = text_response(414, f"the query has more than {MAX_QUERY} bytes")
_NOT_FOUND = text_response(404, "There is nothing here.")
_FAILED = text_response(500, "This should not have happened; it was logged.")


class Edge:
    """Routes requests; nothing is answered before it is durable (law T1)."""

    def __init__(
        self,
        clicks: ClickPath,
        endpoints: Endpoints,
        journal: Journal,
        proxies: Proxies,
        gate: Gate,
        read_s: float,
    ) -> None:
        """`read_s` is how long a client gets for a body."""
        self._clicks = clicks
        self._journal = journal
        self._proxies = proxies
        self._gate = gate
        self._read_s = read_s
        self._endpoints = endpoints
        self._paths = {path for _, path in endpoints}
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._clicked: dict[str, int] = {}
        self._viewed: dict[str, int] = {}
        self._published: dict[tuple[object, str], int] = {}

    def take(self, arrival: Arrival) -> None:
        """Take a request, in the server's thread: decide a click, hand on everything else."""
        scope = arrival.scope
        path = scope.path
        try:
            if is_link(path):
                self._link(scope, arrival.proto, path)
            else:
                self._loop.call_soon_threadsafe(self._start, arrival)
        except Exception as error:
            log.error("request_failed", path=path[:100], error=repr(error), exc_info=True)
            _answer(arrival.proto, _FAILED)

    def _link(self, scope: Scope, wire: Wire, path: str) -> None:
        method, query, at = scope.method, scope.query_string, Millis(time.time_ns() // 1_000_000)
        if method == "GET" and len(query) <= MAX_QUERY and path.startswith("/c/"):
            visit = Visit(path[3:], query, scope.headers, scope.client, False, at)
            answer = self._clicks.answer(visit)
        else:
            answer = answer_link(self._clicks, method, path, query, scope.headers, scope.client, at)
        counts = self._clicked if answer.kind == _CLICK else self._viewed
        counts[answer.outcome] = counts.get(answer.outcome, 0) + 1
        if answer.payload is None:
            _answer_click(wire, answer)
        elif self._journal.full:
            self._unlogged()
            _answer_click(wire, answer)
        else:
            if answer.body:
                tell = partial(wire.response_bytes, answer.status, answer.headers, answer.body)
            else:
                tell = partial(wire.response_empty, answer.status, answer.headers)
            self._journal.append(answer.kind, answer.payload, tell, self._unlogged, answer.mark)

    def _unlogged(self) -> None:
        self._journal.count_unlogged()
        metrics.CLICKS_UNLOGGED.inc()

    def publish_counts(self) -> None:
        """Add what was counted since the last call to the metrics: a counter's lock costs a click
        more than its parsing. The counts only grow, so that no lock is needed here either."""
        for counts, metric in ((self._clicked, metrics.CLICKS), (self._viewed, metrics.VIEWS)):
            for outcome, total in list(counts.items()):
                key = metric, outcome
                metric.labels(outcome).inc(total - self._published.get(key, 0))
                self._published[key] = total

    def _start(self, arrival: Arrival) -> None:
        task = self._loop.create_task(self._serve(arrival.scope, arrival.proto))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, scope: Scope, wire: Wire) -> None:
        route = self._route(scope.path)
        try:
            response = await self._respond(scope, wire, route)
        except Exception as error:
            log.error("request_failed", path=scope.path[:100], error=repr(error), exc_info=True)
            response = _FAILED
        if route in self._paths:
            metrics.REPORTS.labels(route, response.result or str(response.status)).inc()
        _answer(wire, response)

    def _route(self, path: str) -> str:
        """Return the path of the table that stands for a request's."""
        folder = path[: path.rfind("/") + 1]
        return folder if path not in self._paths and folder in self._paths else path

    async def _respond(self, scope: Scope, wire: Wire, route: str) -> Response:
        endpoint = self._endpoints.get((scope.method, route))
        if endpoint is None:
            if route not in self._paths:
                return _NOT_FOUND
            allowed = ", ".join(method for method, known in self._endpoints if known == route)
            return text_response(405, f"use {allowed}", ("allow", allowed))
        address = self._address(scope)
        body: bytes | Refusal | None = self._gate.request(address, now_ms())
        if body is None and len(scope.query_string) > MAX_QUERY:
            body = Refusal("query_too_long", f"at most {MAX_QUERY} bytes")
        if body is None:
            body = await read_body(scope, wire, endpoint.body_limit, self._read_s)
        request = _request(scope, b"" if isinstance(body, Refusal) else body, address)
        if isinstance(body, Refusal):
            return await endpoint.refuse(request, body)
        return await endpoint.handle(request)

    def _address(self, scope: Scope) -> str:
        return self._proxies.address(scope.client, scope.headers)

    async def drain(self, timeout_s: float) -> None:
        """Wait for the reports that are being answered."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=timeout_s)


def _request(scope: Scope, body: bytes, address: str) -> Request:
    headers = scope.headers
    return Request(
        scope.method,
        scope.path,
        scope.query_string,
        body,
        headers.get("content-type"),
        headers.get,
        now_ms(),
        address,
    )


def _answer(wire: Wire, response: Response) -> None:
    wire.response_bytes(response.status, response.headers, response.body)


def _answer_click(wire: Wire, answer: Answer) -> None:
    if answer.body:
        wire.response_bytes(answer.status, answer.headers, answer.body)
    else:
        wire.response_empty(answer.status, answer.headers)
