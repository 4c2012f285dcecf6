"""Macros of landing URLs: the one list of names, and how they are filled in.

A template is checked when the catalogue is applied (law T4), so that nothing can go wrong at the
click: scheme and host are fixed text, values are percent-encoded, unknown macros do not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from msgspec import Struct

SUBS = tuple(f"sub{number}" for number in range(1, 11))
MACROS: frozenset[str] = frozenset(
    {
        "click_id",
        "partner_id",
        "offer_id",
        "advertiser_id",
        "link_id",
        "landing_id",
        "source",
        "ref_id",
        "timestamp",
        "random",
        "country",
        "device",
        *SUBS,
    }
)
"""What may stand in braces in a landing URL.

`timestamp` is the click's time in seconds, `random` is different for each click; `country` and
`device` are empty where the edge does not know them.
"""

MAX_URL = 2_000
"""Longest template in characters."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\uffff\U00010000-\U0010ffff\"<>\\^`|]")
_HOST = re.compile(r"^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$|^\[[0-9A-Fa-f:.]+\]$")


def encoded(value: str) -> str:
    """Return a value as it stands in a URL."""
    if value.isalnum() and value.isascii():
        return value
    return quote(value, safe="", errors="replace")


class MacroError(ValueError):
    """A URL template that must not be used; the message says why."""


class Template(Struct, frozen=True):
    """A compiled URL: `literals[0] + value(names[0]) + literals[1] + ...`."""

    url: str
    literals: tuple[str, ...]
    names: tuple[str, ...]

    def render(self, values: Mapping[str, str]) -> str:
        """Return the URL with every macro replaced by its percent-encoded value.

        A macro without a value becomes empty text.
        """
        parts = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            parts.append(encoded(values.get(name, "")))
            parts.append(literal)
        return "".join(parts)

    def bind(self, values: Mapping[str, str]) -> Template:
        """Return the template with these macros put in for good, the others left."""
        literals, names = [self.literals[0]], []
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            if name in values:
                literals[-1] += encoded(values[name]) + literal
            else:
                names.append(name)
                literals.append(literal)
        return Template(self.url, tuple(literals), tuple(names))

    def expander(self) -> Callable[[str, Mapping[str, str]], str]:
        """Return a fast function of (click id, other values), for the click path.

        A click id is base64url, which needs no encoding.
        """
        if not self.names:
            fixed = self.literals[0]
            return lambda _token, _values: fixed
        if self.names == ("click_id",):
            before, after = self.literals
            return lambda token, _values: before + token + after
        return lambda token, values: self.render({**values, "click_id": token})


def compile_template(url: str, known: frozenset[str] = MACROS) -> Template:
    """Check a URL with macros, by default a landing URL, and return its template.

    Raises MacroError for an unknown macro, stray braces, control characters, blanks, a scheme
    other than http or https, a missing or malformed host, credentials, or a macro within the host.
    """
    _check_text(url)
    _check_place(url)
    pieces = _BRACES.split(url)
    literals, names = tuple(pieces[::2]), tuple(pieces[1::2])
    for name in names:
        if name not in known:
            raise MacroError(f"unknown macro {{{name}}}; known are {', '.join(sorted(known))}")
    if any("{" in literal or "}" in literal for literal in literals):
        raise MacroError("a brace without its partner")
    return Template(url, literals, names)


def _check_text(url: str) -> None:
    if len(url) > MAX_URL:
        raise MacroError(f"a URL has at most {MAX_URL} characters, got {len(url)}")
    bad = _FORBIDDEN.search(url)
    if bad is not None:
        raise MacroError(f"a URL cannot hold the character {bad.group()!r}; percent-encode it")


def _check_place(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise MacroError(f"not a URL: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise MacroError(f"the scheme must be http or https, not {parts.scheme!r}")
    if "{" in parts.netloc or "}" in parts.netloc:
        raise MacroError("a macro cannot stand in the host")
    if "@" in parts.netloc:
        raise MacroError("a user name or password cannot stand before the host")
    bracketed = f"[{host}]" if host is not None and ":" in host else host
    if not bracketed or _HOST.match(bracketed) is None:
        raise MacroError(f"the host {parts.netloc!r} is missing or malformed")
