"""The clicks that the benchmarks send: like a browser's, and each unlike the one before.

A click has a link of the catalogue, sub ids, a source, a browser's headers; seven of ten carry the
visitor's cookie, three come for the first time. All of it derives from the click's number.
"""

from __future__ import annotations

import json
from hashlib import blake2b

from bench.edge.catalogue import CODES

_LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.8,en;q=0.5", "ru-RU,ru;q=0.9", "fr;q=0.7")
_SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "Linux; Android 14; SM-S918B",
    "X11; Linux x86_64",
)
_SITES = ("blog", "reviews", "deals", "news", "forum", "coupons")


def request(number: int, agents: int = 400, referrers: int = 200) -> bytes:
    """Return the bytes of one click; `agents` and `referrers` are how many of them there are."""
    lines = [
        f"GET /c/{CODES[number % len(CODES)]}?{_query(number)} HTTP/1.1",
        "host: go.network.example",
        "connection: keep-alive",
        f"user-agent: {_agent(number % agents)}",
        "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        f"referer: {_referrer(number % referrers)}",
        "accept-encoding: gzip, deflate, br",
        f"accept-language: {_LANGUAGES[number % 4]}",
        "sec-fetch-site: cross-site",
        "sec-fetch-mode: navigate",
        "sec-fetch-dest: document",
    ]
    if number % 10 < 7:
        lines.append(f"cookie: theme=dark; afflux_v={_visitor(number)}; lang=en")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def lua_script(count: int) -> str:
    """Return a script that lets wrk send `count` different clicks, over and over."""
    texts = ",\n".join(json.dumps(request(number).decode()) for number in range(count))
    return (
        f"local clicks = {{\n{texts}\n}}\nlocal at = 0\n"
        "request = function() at = at % #clicks + 1; return clicks[at] end\n"
    )


def _query(number: int) -> str:
    site = _SITES[number % 6]
    return (
        f"sub1=banner-{number % 97}&sub2={site}%20top&sub3={number}&source={site}&ref_id=r{number}"
    )


def _agent(number: int) -> str:
    system, major = _SYSTEMS[number % 4], 90 + number // 4 % 60
    build = 1000 + number
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{major}.0.{build}.0 Safari/537.36"
    )


def _referrer(number: int) -> str:
    return f"https://www.{_SITES[number % 6]}{number}.example/articles/best-shoes-{number}?p=2"


def _visitor(number: int) -> str:
    return blake2b(number.to_bytes(8, "big"), digest_size=16).hexdigest()
