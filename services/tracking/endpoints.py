"""What the edge serves besides links: a table of methods, paths and handlers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from services.tracking.domain.authentication import Request
from services.tracking.reports import Reports

MAX_POSTBACK = 64 << 10
MAX_BATCH_BODY = 1 << 20
RETRY_AFTER_S = "5"
TEXT = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]
JSON = [("content-type", "application/json"), ("cache-control", "no-store")]


class Response(Struct, frozen=True):
    """An answer; `result` is its reason code or status word, for the metrics."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    result: str = ""


Handler = Callable[[Request], Awaitable[Response]]
Answering = Callable[[Request], Awaitable[tuple[int, dict[str, object]]]]


class Endpoint(Struct, frozen=True):
    """Who answers, and how many bytes a body may have."""

    handle: Handler
    body_limit: int


Endpoints = Mapping[tuple[str, str], Endpoint]


def endpoints(reports: Reports) -> Endpoints:
    """Return the table of one edge."""
    return {
        ("GET", "/postback"): Endpoint(as_json(reports.postback), MAX_POSTBACK),
        ("POST", "/postback"): Endpoint(as_json(reports.postback), MAX_POSTBACK),
        ("POST", "/v1/conversions"): Endpoint(as_json(reports.conversions), MAX_BATCH_BODY),
        ("POST", "/v1/adjustments"): Endpoint(as_json(reports.adjustments), MAX_BATCH_BODY),
    }


def as_json(answering: Answering) -> Handler:
    """Return a handler that answers with JSON."""

    async def handle(request: Request) -> Response:
        return json_response(*await answering(request))

    return handle


def json_response(status: int, answer: Mapping[str, object]) -> Response:
    """Return an answer as JSON; a 503 says when to come back."""
    extra = [("retry-after", RETRY_AFTER_S)] if status == 503 else []
    result = str(answer.get("reason") or answer.get("status"))
    return Response(status, [*JSON, *extra], json.dumps(answer).encode(), result)


def text_response(status: int, sentence: str, *headers: tuple[str, str]) -> Response:
    """Return a plain sentence."""
    return Response(status, [*TEXT, *headers], f"{sentence}\n".encode())
