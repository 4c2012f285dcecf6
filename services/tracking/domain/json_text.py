"""JSON in UTF-8 whose numbers stay the text they were sent as: no float, no huge integer."""

from __future__ import annotations

import json

from services.tracking.domain.refusal import Refusal


def parse_json(body: bytes) -> object | Refusal:
    """Return the JSON value of a body; a key given twice in one object is refused."""
    try:
        value: object = json.loads(
            body.decode("utf-8-sig"),
            parse_float=str,
            parse_int=str,
            parse_constant=_no_constant,
            object_pairs_hook=_once,
        )
    except (ValueError, RecursionError) as error:
        return Refusal("body_invalid", f"the body is not JSON: {str(error)[:200]}")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"{name[:40]!r} is given twice")
            seen.add(name)
    return found
