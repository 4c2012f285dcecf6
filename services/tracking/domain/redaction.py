"""Hiding tokens and signatures in what a rejection keeps (law S4).

A secret is known by its name as an edge would read it: percent-encoded in a query or a form, with
escapes in JSON. Broken JSON is hidden too. Everything else stays as it was sent.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote_plus

_SECRETS = frozenset(("token", "sig"))
_ASSIGNS = (":", "=", "=>")
_MASK = "***"
_WORD = re.compile(rb"\b(?:token|sig)\b", re.I)
_INLINE = re.compile(r'(?<![\w%])(token|sig)=[^&"\\\s]*', re.I)
_PERHAPS_JSON = re.compile(r"token|sig|\\u00[4-7]", re.I)
_LEXEMES = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[][{},:]|[^][{},:"\s]+|\s+', re.DOTALL)
"""Every text is made of these; a string that does not end goes to the end of the text."""
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def redact_query(query: str) -> str:
    """Return a query or a form with its secrets hidden."""
    return _INLINE.sub(rf"\1={_MASK}", "&".join(map(_pair, query.split("&"))))


def redact_body(body: bytes, *, is_json: bool) -> bytes:
    """Return a body with its secrets hidden. `is_json` is how an edge reads it, else as a form.

    What is neither is taken for both.
    """
    text = body.decode("latin-1")  # every byte comes back
    looks_json = text.lstrip()[:1] in ("{", "[", '"')
    text = _INLINE.sub(rf"\1={_MASK}", text) if is_json and looks_json else redact_query(text)
    return (_json(text) if _PERHAPS_JSON.search(text) else text).encode("latin-1")


def is_binary(body: bytes) -> bool:
    """Return whether a body is no plain text: packed, or in UTF-16. Its secrets cannot be seen."""
    return _BINARY.search(body) is not None


def names_secret(body: bytes) -> bool:
    """Return whether the name of a secret stands in a body of a kind that is not read."""
    return _WORD.search(body) is not None


def _pair(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}={_MASK}" if equals and _is_secret(unquote_plus(name)) else part


def _is_secret(name: str) -> bool:
    return name.strip().strip("'").lower() in _SECRETS


def _json(text: str) -> str:
    out: list[str] = []
    name = ""
    depth: int | None = None  # within a secret's value: how many brackets are open
    for lexeme in _LEXEMES.findall(text):
        kind = lexeme[0]
        if depth is None:
            if lexeme in _ASSIGNS and _is_secret(_decoded(name)):
                depth = 0
            elif not kind.isspace():
                name = lexeme
        elif kind in "[{":
            depth += 1
        elif kind in "]},":
            depth = None if depth == 0 else depth - (kind != ",")
        elif not kind.isspace() and lexeme not in _ASSIGNS:
            lexeme = f'"{_MASK}"'  # noqa: PLW2901
        out.append(lexeme)
    return "".join(out)


def _decoded(name: str) -> str:
    if not name.startswith('"'):
        return name
    try:
        return str(json.loads(name, strict=False))
    except ValueError:
        return name.strip('"')
