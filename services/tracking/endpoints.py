"""What the edge serves besides links: a table of methods, paths and handlers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct, structs

from services.tracking.domain.authentication import Request
from services.tracking.domain.pixel import GIF
from services.tracking.domain.refusal import Refusal
from services.tracking.openapi import document
from services.tracking.reports import MAX_BATCH_BODY, MAX_POSTBACK, POSTBACK, PRESET, Reports

RETRY_AFTER_S = "5"
TEXT = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]
JSON = [("content-type", "application/json"), ("cache-control", "no-store")]
_ANY_PAGE = [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "x-afflux-reason"),
]
_PIXEL = [("content-type", "image/gif"), ("cache-control", "no-store"), *_ANY_PAGE]
_HOUR = ("cache-control", "public, max-age=3600")
SNIPPET = Path(__file__).with_name("afflux.js")


class Response(Struct, frozen=True):
    """An answer; `result` is its reason code or status word, for the metrics."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    result: str = ""


Handler = Callable[[Request], Awaitable[Response]]
Refuser = Callable[[Request, Refusal], Awaitable[Response]]


class Endpoint(Struct, frozen=True):
    """Who answers, how many bytes a body may have, and who answers what is not read so far."""

    handle: Handler
    body_limit: int
    refuse: Refuser


Endpoints = Mapping[tuple[str, str], Endpoint]
"""By method and path; a path that ends with `/` stands for all behind it."""


def endpoints(reports: Reports) -> Endpoints:
    """Return the table of one edge."""

    def answering(
        answer: Callable[[Request], Awaitable[tuple[int, dict[str, object]]]],
        limit: int,
    ) -> Endpoint:
        async def handle(request: Request) -> Response:
            return json_response(*await answer(request))

        async def refuse(request: Request, refusal: Refusal) -> Response:
            return json_response(*await reports.refuse(request, refusal))

        return Endpoint(handle, limit, refuse)

    postback = answering(reports.postback, MAX_POSTBACK)
    pixel = _pixel(reports)
    return {
        ("GET", POSTBACK): postback,
        ("POST", POSTBACK): postback,
        ("GET", PRESET): postback,
        ("POST", PRESET): postback,
        ("GET", "/pixel"): pixel,
        ("POST", "/pixel"): pixel,
        ("POST", "/v1/conversions"): answering(reports.conversions, MAX_BATCH_BODY),
        ("POST", "/v1/adjustments"): answering(reports.adjustments, MAX_BATCH_BODY),
        ("GET", "/afflux.js"): _fixed("text/javascript; charset=utf-8", SNIPPET.read_bytes()),
        ("GET", "/openapi.json"): _fixed("application/json", json.dumps(document()).encode()),
    }


def _pixel(reports: Reports) -> Endpoint:
    """Answers with a picture, or with JSON if that is asked for."""

    def show(request: Request, status: int, answer: Mapping[str, object]) -> Response:
        if "application/json" not in (request.header("accept") or ""):
            return pixel_response(status, answer)
        told = json_response(status, answer)
        return structs.replace(told, headers=[*told.headers, *_ANY_PAGE])

    async def handle(request: Request) -> Response:
        return show(request, *await reports.pixel(request))

    async def refuse(request: Request, refusal: Refusal) -> Response:
        return show(request, *await reports.refuse(request, refusal))

    return Endpoint(handle, MAX_POSTBACK, refuse)


def _fixed(content_type: str, body: bytes) -> Endpoint:
    response = Response(
        200,
        [("content-type", content_type), _HOUR, ("access-control-allow-origin", "*")],
        body,
        "served",
    )

    async def handle(_request: Request) -> Response:
        return response

    async def refuse(_request: Request, refusal: Refusal) -> Response:
        return json_response(refusal.status, refusal.as_answer())

    return Endpoint(handle, 0, refuse)


def json_response(status: int, answer: Mapping[str, object]) -> Response:
    """Return an answer as JSON; a 429 and a 503 say when to come back."""
    result = _result(status, answer)
    return Response(status, [*JSON, *_later(status, answer)], json.dumps(answer).encode(), result)


def pixel_response(status: int, answer: Mapping[str, object]) -> Response:
    """Return an answer as a picture, with the reason of a refusal in a header."""
    reason = answer.get("reason")
    why = [("x-afflux-reason", str(reason))] if reason else []
    return Response(status, [*_PIXEL, *why, *_later(status, answer)], GIF, _result(status, answer))


def _later(status: int, answer: Mapping[str, object]) -> list[tuple[str, str]]:
    wait = str(answer.get("retry_after") or RETRY_AFTER_S)
    return [("retry-after", wait)] if status in (429, 503) else []


def _result(status: int, answer: Mapping[str, object]) -> str:
    return str(answer.get("reason") or answer.get("status") or status)


def text_response(status: int, sentence: str, *headers: tuple[str, str]) -> Response:
    """Return a plain sentence."""
    return Response(status, [*TEXT, *headers], f"{sentence}\n".encode())
