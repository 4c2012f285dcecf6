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

AT_THE_CLICK = frozenset({"timestamp", "random", "country", "device"})
"""Macros whose values neither the link nor the partner brings."""

MAX_URL = 2_000
"""Longest template in characters."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\uffff\U00010000-\U0010ffff\"<>\\^`|]")
_PARAM = re.compile(r"[A-Za-z0-9_.~-]{1,64}")
_HOST = re.compile(r"^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$|^\[[0-9A-Fa-f:.]+\]$")


def encoded(value: str) -> str:
    """Return a value as it stands in a URL."""
    if _PLAIN(value) is not None:
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
        first, rest = self.literals[0], tuple(zip(self.names, self.literals[1:], strict=True))

        def expand(token: str, values: Mapping[str, str]) -> str:
            url = first
            for name, literal in rest:
                if name == "click_id":
                    url += token
                elif value := values.get(name):
                    url += encoded(value)
                url += literal
            return url

        return expand


def compile_template(url: str, known: frozenset[str] = MACROS) -> Template:
    """Check a URL with macros, by default a landing URL, and return its template.

    Raises MacroError for an unknown macro, stray braces, control characters, blanks, a scheme
    other than http or https, a missing or malformed host, credentials, or a macro within the host.
    """
    _check_text(url)
    _check_place(url)
    return _compile(url, known)


def compile_params(text: str) -> Template:
    """Check query parameters that are added to a deep link, `name=text&name=text`, and return
    their template; raises MacroError like `compile_template`, and for names that hold macros."""
    _check_text(text)
    for pair in text.split("&"):
        name, equals, _ = pair.partition("=")
        if not equals or _PARAM.fullmatch(name) is None:
            raise MacroError(f"{pair[:60]!r} is not like name={{macro}}")
    if "#" in text:
        raise MacroError("a fragment cannot stand among parameters")
    return _compile(text)


def macro_params(url: str) -> str:
    """Return the parameters of a landing URL that hold macros, as `name=text&name=text`."""
    query = url.partition("#")[0].partition("?")[2]
    return "&".join(
        pair
        for pair in query.split("&")
        if _BRACES.search(pair) and _PARAM.fullmatch(pair.partition("=")[0])
    )


def _compile(url: str, known: frozenset[str] = MACROS) -> Template:
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
