"""Reading parameters out of query strings, forms and JSON."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import parse_qsl

from services.tracking.domain.authentication import Request
from services.tracking.domain.json_text import parse_json
from services.tracking.domain.refusal import Refusal

MAX_BATCH = 1_000
MAX_PARAMS = 100
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
JSON_PATHS = "/v1/"
"""Where a body is JSON, whatever its Content-Type says."""


class Typed(Protocol):
    """What has a Content-Type."""

    @property
    def content_type(self) -> str | None:
        """The header's text, or None."""


def media_type(typed: Typed) -> str:
    """Return the media type in a Content-Type; without one a body is a form."""
    return (typed.content_type or FORM).partition(";")[0].strip().lower()


def parse_params(text: str) -> dict[str, object] | Refusal:
    """Return the parameters of a query or a form; one given twice is refused, not guessed."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMS)
    except ValueError:
        return Refusal("body_invalid", f"the parameters are not UTF-8, or more than {MAX_PARAMS}")
    params: dict[str, object] = {}
    for name, value in pairs:
        if name in params:
            return Refusal("field_invalid", f"{name[:40]!r} is given twice", name[:40])
        params[name] = value
    return params


def postback_params(request: Request) -> dict[str, object] | Refusal:
    """Return the parameters of a postback: the query's, and a POST's form or JSON object."""
    params = parse_params(request.query)
    if isinstance(params, Refusal) or request.method != "POST" or not request.body:
        return params
    media = media_type(request)
    if media == JSON:
        more = parse_json(request.body)
    elif media == FORM:
        try:
            more = parse_params(request.body.decode())
        except UnicodeDecodeError:
            return Refusal("body_invalid", "the form is not UTF-8")
    else:
        return Refusal("body_invalid", f"send a form or JSON, not {media[:80]!r}")
    if isinstance(more, Refusal):
        return more
    if not isinstance(more, dict):
        return Refusal("body_invalid", "the body is not a JSON object")
    twice = sorted(params.keys() & more.keys())
    if twice:
        return Refusal("field_invalid", f"{twice[0][:40]!r} is in query and body", twice[0][:40])
    return {**params, **more}


def json_items(body: bytes, name: str) -> tuple[list[object], bool] | Refusal:
    """Return the items of a batch (a list, {name: list}, or one object) and whether it was one."""
    value = parse_json(body)
    if isinstance(value, Refusal):
        return value
    if isinstance(value, dict) and name in value:
        value = value[name]
    elif isinstance(value, dict):
        return [value], True
    if not isinstance(value, list):
        return Refusal("body_invalid", f"send an object, a list, or {{{name!r}: [...]}}")
    if len(value) > MAX_BATCH:
        return Refusal("batch_too_large", f"{len(value)} items, at most {MAX_BATCH} are allowed")
    return value, False
