"""Links as visitors, partners and attackers meet them: a real edge, real sockets, a real Kafka."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from afflux.cli.main import build
from afflux.kernel.catalog import Landing, Link
from afflux.kernel.events import Click, ClickOutcome, Event, Impression
from afflux.kernel.macros import MACROS
from afflux.kernel.reasons import REASONS
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home
from tests.tracking_geo import write_geo
from tests.tracking_stack import ENV, publish_entities, status, until, wait_drained
from tests.tracking_visits import offer

DOC = Path(__file__).parents[2] / "docs" / "links.md"
DOCUMENTED = re.findall(r"^```yaml\n(.*?)^```", DOC.read_text(), re.M | re.S)[0]
GEO = Landing(id=1, url="https://shop.example/?c={country}&cid={click_id}")
BROWSER = {"user-agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/126.0", "accept-language": "de-AT"}


def afflux(stack: Stack, *arguments: str) -> str:
    done = CliRunner().invoke(build(["catalog"]), [*arguments, "--home", str(stack.home)])
    assert done.exit_code == 0, done.output
    return done.stdout


def apply(stack: Stack, text: str) -> dict[str, Any]:
    """Apply a catalogue as an operator would."""
    path = stack.home / "links.yaml"
    path.write_text(text)
    shown = afflux(stack, "catalog", "apply", str(path), "--json")
    report: dict[str, Any] = json.loads(shown.splitlines()[-1])
    return report


def events(stack: Stack) -> list[Event]:
    wait_drained(stack)

    async def read() -> list[Event]:
        batches = read_topic(stack.settings, [Click.topic, Impression.topic], Codec.load())
        return [record.event async for batch in batches for record in batch]

    return asyncio.run(read())


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home:
        env = {**ENV, "AFFLUX_GEO_DB": str(home / "geo.mmdb"), "AFFLUX_EDGE_READ_S": "0.5"}
        made = Stack(home, ["shipper", "edge"], free_ports=True, env=env)
        with made:
            apply(made, DOCUMENTED)
            geo = offer(90, advertiser_id=1, landings=[GEO])
            publish_entities(made, [geo, Link(id=900, code="geo", partner_id=1, offer_id=90)], 3)
            yield made


@pytest.fixture(scope="module")
def web(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.settings.edge_url, timeout=10, headers=BROWSER) as client:
        yield client


def where(answer: httpx.Response) -> httpx.URL:
    assert answer.status_code == 302, answer
    return httpx.URL(answer.headers["location"])


def test_the_documented_catalogue_and_its_export_apply_to_no_change(stack: Stack) -> None:
    exported = afflux(stack, "catalog", "export")
    assert "deep_link_params" in exported and "not_devices" in exported
    for text in (DOCUMENTED, exported):
        again = apply(stack, text)
        assert again["changes"] == [] and again["counts"]["unchanged"] == 9


def test_the_documented_catalogue_leads_where_the_document_says(web: httpx.Client) -> None:
    refused = where(web.get("/c/coupons"))
    assert (refused.host, refused.path) == ("shop.example", "/world") and refused.params["cid"]
    direct = where(web.get("/click", params={"offer": 11, "partner": 2, "sub1": "x"}))
    assert (direct.host, direct.path) == ("shop.example", "/world")
    page = where(
        web.get("/click", params={"offer": 11, "partner": 1, "to": "https://a.shop.example/x"})
    )
    assert (page.host, page.path) == ("a.shop.example", "/x") and page.params["cid"]
    evil = where(
        web.get("/click", params={"offer": 11, "partner": 1, "to": "https://evil.example/x"})
    )
    assert (evil.host, evil.path) == ("shop.example", "/world")
    assert where(web.get("/c/nobody")).host == "network.example"


def test_a_view_and_its_click_arrive_as_one_visitors(stack: Stack, web: httpx.Client) -> None:
    image = web.get("/i/shoes", params={"sub1": "one"})
    assert (image.status_code, image.headers["content-type"]) == (200, "image/gif")
    assert image.headers["cache-control"] == "no-store" and image.content[:6] == b"GIF89a"
    web.get("/c/shoes", params={"sub1": "one", "cost": "0.5", "ref_id": "mine"})
    assert web.head("/i/shoes", params={"sub1": "two"}).status_code == 200
    assert web.head("/c/shoes", params={"sub1": "two"}).status_code == 302
    web.get("/i/shoes", params={"sub1": "three"}, headers={"sec-gpc": "1"})
    web.cookies.clear()
    found = events(stack)
    views = {e.sub[0]: e for e in found if isinstance(e, Impression) and e.sub}
    clicks = {e.sub[0]: e for e in found if isinstance(e, Click) and e.sub and e.link_id == 100}
    assert views["one"].visitor_key == clicks["one"].visitor_key == views["one"].key
    assert (views["one"].creative_id, views["one"].reason) == (7, None)
    assert (clicks["one"].cost_minor, clicks["one"].cost_currency) == (50, "EUR")
    assert (clicks["one"].device, clicks["one"].language) == ("desktop", "de-AT")
    assert views["two"].reason == "preview" and clicks["two"].outcome is ClickOutcome.PREVIEW
    assert views["three"].visitor_key != views["one"].visitor_key
    assert (views["three"].user_agent, views["three"].ip_hash) == ("", b"")
    refused = [e for e in found if isinstance(e, Click) and e.reason == "partner_not_allowed"]
    assert refused and all(e.link_id == 101 and e.offer_id == 11 for e in refused)


def test_a_geo_database_may_come_late_and_change(stack: Stack, web: httpx.Client) -> None:
    path = Path(stack.settings.geo_db)

    def country() -> str:
        return where(web.get("/c/geo")).params["c"]

    def told() -> str:
        geo = status(stack, "edge")["geo"]
        assert isinstance(geo, dict)
        return str(geo[str(path)])

    assert country() == "" and "not there" in told()
    write_geo(path, {"127.0.0.0/8": {"country": {"iso_code": "DE"}}})
    until(lambda: country() == "DE", "the new database is open")
    path.write_bytes(b"broken")
    until(lambda: "MaxMind" in told(), "the broken file is told")
    assert country() == "DE"
    write_geo(path, {"127.0.0.0/8": {"country_code": "FR"}}, "country ipvAll")
    until(lambda: country() == "FR" and told() == "country ipvAll", "the changed database is open")


def test_bad_requests_have_clear_answers(web: httpx.Client) -> None:
    assert (long := web.get("/c/geo?" + "a" * 8_193)).status_code == 414 and "8192" in long.text
    assert web.post("/c/geo").status_code == web.put("/i/shoes").status_code == 405
    assert web.post("/click?offer=11&partner=1").headers["allow"] == "GET, HEAD"
    twice = where(web.get("/click?offer=11&partner=1&offer=90"))
    assert twice.path == "/world"
    assert where(web.get("/c/geo?sub1=%ff%00%c3&sub1=b&to=%ff")).host == "shop.example"


HEADS = [
    b"GET /c/geo?\xff\xfe=\x80 HTTP/1.1",
    b"GET /c/geo?a=\x00 HTTP/1.1",
    b"GET /c/\xff\xff HTTP/1.1",
    b"GET /c/%ff%00?%=%&sub1=%zz HTTP/1.1",
    b"GET /i/%00 HTTP/1.1",
    b"GET /c/geo?to=https://evil.example%0d%0aX:y HTTP/1.1",
    b"GET http://evil.example/c/geo HTTP/1.1",
    b"GET //evil.example/c/geo HTTP/1.1",
    b"GET /click?offer=1%00&partner=\xf0 HTTP/1.1",
    b"GET /c/geo HTTP/9.9",
    b"G\x00T /c/geo HTTP/1.1",
]
FIELDS = [
    b"Cookie: afflux_v=" + b"zz" * 16,
    b"Cookie: \xff\xfe; afflux_v=\x80\x81",
    b"Cookie: " + b"afflux_v=aa; " * 900,
    b"User-Agent: \xc3\x28\xa0\xff",
    b"User-Agent: " + b"x" * 30_000,
    b"Referer: https://\xff/\xfe",
    b"Accept-Language: \xe4\xf6",
    b"Sec-CH-UA-Mobile: \xff",
    b"Sec-GPC: \xff",
    b"X-Forwarded-For: \xff, 1.2.3.4, ,,",
    b"X: " + b"y" * 70_000,
    b"No colon at all",
    b"Content-Length: -1",
]


def exchange(url: httpx.URL, request: bytes) -> bytes:
    """Send raw bytes; return the answer up to its end, or what came before the peer hung up."""
    got = b""
    with socket.create_connection((url.host, url.port or 80), timeout=10) as wire:
        try:
            wire.sendall(request)
            while chunk := wire.recv(65_536):
                got += chunk
        except (BrokenPipeError, ConnectionResetError):
            return got
    return got


def test_S1_no_bytes_on_the_wire_make_the_edge_fail(stack: Stack, web: httpx.Client) -> None:
    url, rng = httpx.URL(stack.settings.edge_url), random.Random(4)
    requests = [
        head + b"\r\n" + b"\r\n".join((b"Host: x", b"Connection: close", b"", b""))
        for head in HEADS
    ]
    for field in FIELDS:
        lines = (b"GET /c/geo?sub1=a HTTP/1.1", b"Host: x", b"Connection: close", field, b"", b"")
        requests.append(b"\r\n".join(lines))
    base = (
        b"GET /c/geo?sub1=abc&to=https%3A%2F%2Fshop.example%2F HTTP/1.1\r\n"
        b"Host: x\r\nCookie: afflux_v=00\r\nConnection: close\r\n\r\n"
    )
    for _ in range(300):
        mutant = bytearray(base)
        for _ in range(rng.randint(1, 4)):
            mutant[rng.randrange(len(mutant) - 4)] = rng.randrange(256)
        requests.append(bytes(mutant))
    for request in requests:
        with_end = request if b"\r\n\r\n" in request else request + b"\r\n\r\n"
        answer = exchange(url, with_end)
        line, _, rest = answer.partition(b"\r\n")
        assert not answer or re.match(rb"HTTP/1\.[01] [234]\d\d", line), (
            request[:200],
            answer[:200],
        )
        location = re.search(rb"(?i)\r\nlocation: ([^\r\n]*)", b"\r\n" + rest)
        assert location is None or b"evil" not in location[1], request[:200]
        assert b"\r\nX:y" not in answer
    assert where(web.get("/c/geo")).host == "shop.example"


def test_the_document_names_what_the_code_has() -> None:
    text = DOC.read_text()
    assert all(f"{{{name}}}" in text for name in MACROS if not name.startswith("sub"))
    reasons = set(re.findall(r"`([a-z_]+_(?:paused|allowed|unknown|schedule|reached))`", text))
    assert reasons and reasons <= set(REASONS)
    assert {"deep_link_not_allowed", "click_cap_reached", "outside_schedule"} <= reasons
