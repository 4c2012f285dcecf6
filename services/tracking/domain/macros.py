"""Macros of landing URLs: checked when the catalogue is applied, encoded at the click (law T4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from msgspec import Struct

from afflux.kernel.macros import MACROS

SUBS = tuple(f"sub{number}" for number in range(1, 11))
_MACRO = re.compile(r"\{([^{}]*)\}")
_SAFE = re.compile(r"[!-~]+")  # printable ASCII: no space, no CR, no LF
MAX_URL = 2_000


def encoded(value: str) -> str:
    """Return a value as it stands in a URL."""
    return value if value.isalnum() and value.isascii() else quote(value, safe="")


class Template(Struct, frozen=True):
    """A URL cut at its macros: literal, macro, literal, ... beginning and ending with a literal."""

    literals: tuple[str, ...]
    names: tuple[str, ...]

    def expand(self, values: Mapping[str, str]) -> str:
        """Return the URL; a macro without a value becomes empty, each value is URL-encoded."""
        out = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            out.append(encoded(values.get(name, "")))
            out.append(literal)
        return "".join(out)

    def bind(self, values: Mapping[str, str]) -> Template:
        """Return the template with these macros put in for good, the others left."""
        literals, names = [self.literals[0]], []
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            if name in values:
                literals[-1] += encoded(values[name]) + literal
            else:
                names.append(name)
                literals.append(literal)
        return Template(tuple(literals), tuple(names))

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
        return lambda token, values: self.expand({**values, "click_id": token})


def parse_template(url: str) -> Template:
    """Return the template of a landing URL.

    Raises ValueError with a sentence for: no http(s) URL with a host, characters that do not
    belong into a header (space, CR, LF, non-ASCII), an unknown macro, a macro in scheme or host.
    """
    if not url or len(url) > MAX_URL:
        raise ValueError(f"a URL has 1 to {MAX_URL} characters, got {len(url)}")
    if not _SAFE.fullmatch(url):
        raise ValueError(f"{url!r} holds a space, a control or a non-ASCII character: encode it")
    names = tuple(_MACRO.findall(url))
    unknown = sorted(set(names) - MACROS)
    if unknown:
        raise ValueError(f"unknown macro {{{unknown[0]}}}; there are {', '.join(sorted(MACROS))}")
    literals = tuple(_MACRO.split(url)[::2])
    if any("{" in literal or "}" in literal for literal in literals):
        raise ValueError(f"{url!r} has an unpaired brace")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https URL with a host")
    if "{" in parts.netloc or "\\" in url or "@" in parts.netloc:
        raise ValueError(f"{url!r}: the host must stand as it is, without macros or a user")
    return Template(literals, names)
