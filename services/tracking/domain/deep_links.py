"""Deep links: a partner names a page of the advertiser's, and nothing else (law T4).

What a browser might read in another way than we do is refused, not repaired: only a plain
`http(s)://host[:80|:443]` in ASCII is looked at, and the host must be on the advertiser's list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from msgspec import Struct

from afflux.kernel.macros import AT_THE_CLICK, Template, compile_params

MAX_DESTINATION = 2_000
_PLACE = re.compile(r"(https?)://([A-Za-z0-9.-]{1,253})(?::(\d{1,5}))?((?:[/?#].*)?)")
_REFUSED = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ufeff]")
_PORTS = {"http": (None, "80"), "https": (None, "443")}
_KEPT = "!#$%&'()*+,-./:;=?@_~[]"
"""What a destination may hold as it is; everything else is percent-encoded."""


class Hosts(Struct, frozen=True):
    """An allow-list: a host stands for itself, `*.shop.example` for every host below it."""

    exact: frozenset[str]
    below: tuple[str, ...]

    def allow(self, host: str) -> bool:
        """Return whether a host, in any case, is on the list."""
        name = host.lower()
        return name in self.exact or (bool(self.below) and name.endswith(self.below))


class DeepLinks(Struct, frozen=True):
    """Where deep links of an offer may lead, and the parameters that go with them.

    `names` are those parameters' names: a destination that brings one of its own loses it, so that
    the advertiser reads our click id and no other.
    """

    hosts: Hosts
    params: Template
    names: frozenset[str]

    @property
    def needs(self) -> frozenset[str]:
        """The macros among them whose values come up at the click."""
        return AT_THE_CLICK.intersection(self.params.names)

    def lead(self, raw: str, token: str, values: Mapping[str, str]) -> str | None:
        """Return the URL for the raw (percent-encoded) value of `to`, or None if it is refused."""
        destination = read_destination(raw, self.hosts)
        if destination is None:
            return None
        params = self.params.render({**values, "click_id": token}) if self.names else ""
        return add_params(destination, params, self.names)


def compile_hosts(hosts: Sequence[str]) -> Hosts:
    """Return the allow-list of an advertiser's `hosts`."""
    exact = frozenset(host for host in hosts if not host.startswith("*."))
    return Hosts(exact, tuple(host[1:] for host in hosts if host.startswith("*.")))


def compile_deep_links(hosts: Hosts, params: str) -> DeepLinks | None:
    """Return the deep links of an offer, or None where the advertiser allows no host.

    Raises MacroError for parameters that `catalog apply` would have refused.
    """
    if not hosts.exact and not hosts.below:
        return None
    if not params:
        return DeepLinks(hosts, Template("", ("",), ()), frozenset())
    names = frozenset(pair.partition("=")[0] for pair in params.split("&"))
    return DeepLinks(hosts, compile_params(params), names)


def read_destination(raw: str, hosts: Hosts) -> str | None:
    """Return the destination in a raw value of `to`, in ASCII, or None if it is refused."""
    try:
        text = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        return None
    if len(text) > MAX_DESTINATION or _REFUSED.search(text) is not None:
        return None
    scheme, colon, rest = text.partition(":")
    place = _PLACE.fullmatch(scheme.lower() + colon + rest)
    if place is None:
        return None
    scheme, host, port, tail = place[1], place[2], place[3], place[4]
    if port not in _PORTS[scheme] or not hosts.allow(host):
        return None
    try:
        return f"{scheme}://{host.lower()}{quote(tail, safe=_KEPT)}"
    except UnicodeEncodeError:
        return None


def add_params(destination: str, params: str, names: frozenset[str]) -> str:
    """Return a URL with parameters added to its query and its own of the same names removed."""
    base, mark, fragment = destination.partition("#")
    path, question, query = base.partition("?")
    own = [pair for pair in query.split("&") if pair and _name(pair) not in names]
    query = "&".join([*own, params] if params else own)
    return f"{path}{'?' if query or question else ''}{query}{mark}{fragment}"


def _name(pair: str) -> str:
    return unquote(pair.partition("=")[0].replace("+", " "))
