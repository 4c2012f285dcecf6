"""One call of a partner's URL: where it may go, what it reads, what it says of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest
from aiohttp import web

from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from services.notify.calling import SNIPPET, Caller, Limits, Request
from services.notify.domain.addresses import parse_networks
from services.notify.domain.schedule import Answer
from services.notify.domain.signing import signature
from services.notify.resolving import CheckedResolver, Lookup, system_lookup
from tests.support.receiver import receiving

LOOPBACK = Limits(parse_networks("127.0.0.0/8"), total_s=5)
PUBLIC_ONLY = Limits(total_s=5)


async def call(
    url: str,
    limits: Limits = LOOPBACK,
    *,
    method: str = "GET",
    body: bytes = b"",
    key: bytes | None = None,
    lookup: Lookup = system_lookup,
) -> Answer:
    """Call a URL once."""
    request = Request(bytes(16), 1, method, url, body, "k1" if key else None, key)
    async with Caller(limits, now_ms, lookup) as caller:
        return await caller.call(request)


def to(*addresses: str) -> Lookup:
    """A look-up that always gives these."""

    async def lookup(host: str, port: int) -> Sequence[str]:
        return addresses

    return lookup


async def test_a_call_says_what_was_answered() -> None:
    async with receiving() as receiver:
        answer = await call(f"{receiver.url}/pb?a=%20b%2Fc&d=")
    assert (answer.status, answer.text, answer.delivered) == (200, "thanks", True)
    (heard,) = receiver.heard
    assert (heard.method, heard.path) == ("GET", "/pb?a=%20b%2Fc&d=")
    assert heard.headers["X-Afflux-Attempt"] == "1"
    assert "X-Afflux-Signature" not in heard.headers
    assert "Cookie" not in heard.headers


async def test_a_signed_post_can_be_checked_by_its_receiver() -> None:
    async with receiving() as receiver:
        await call(f"{receiver.url}/pb?x=1", method="POST", body=b'{"a":1}', key=b"secret key")
    (heard,) = receiver.heard
    at = int(heard.headers["X-Afflux-Timestamp"])
    assert abs(at - now_ms() // 1000) < 60
    expected = signature(b"secret key", at, "POST", f"{receiver.url}/pb?x=1", heard.body)
    assert heard.headers["X-Afflux-Signature"] == expected
    assert heard.headers["X-Afflux-Key"] == "k1"
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.body == b'{"a":1}'


@pytest.mark.parametrize(
    "host",
    """127.0.0.1 localhost 127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 0 0.0.0.0
    [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [64:ff9b::7f00:1] [::] 169.254.169.254 10.0.0.1
    [fe80::1] [fd00:ec2::254]""".split(),
)
async def test_no_spelling_of_a_private_address_is_called(host: str) -> None:
    async with receiving() as receiver:
        answer = await call(f"http://{host}:{receiver.port}/", PUBLIC_ONLY)
    assert answer.reason in {"address_refused", "name_unresolved"}, answer
    assert answer.status is None
    assert not answer.may_pass or host in {"localhost", "0x7f000001", "0x7f.1"}  # look-ups
    assert receiver.heard == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["10.0.0.1", "127.0.0.1"], []]
)
async def test_a_name_that_leads_inside_is_not_called(addresses: list[str]) -> None:
    async with receiving() as receiver:
        url = f"http://partner.example:{receiver.port}/"
        answer = await call(url, PUBLIC_ONLY, lookup=to(*addresses))
    assert answer.reason == "address_refused"
    assert answer.may_pass, "the name may lead somewhere else tomorrow"
    assert receiver.heard == []


async def test_of_several_addresses_only_the_allowed_are_called() -> None:
    limits = Limits(parse_networks("127.0.0.1/32"), total_s=5)
    async with receiving() as receiver:
        url = f"http://partner.example:{receiver.port}/"
        answer = await call(url, limits, lookup=to("10.9.8.7", "127.0.0.1"))
    assert answer.delivered
    assert receiver.heard[0].headers["Host"] == f"partner.example:{receiver.port}"


async def test_a_name_is_resolved_once_a_connection_so_it_cannot_change_its_mind() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    limits = Limits(parse_networks("127.0.0.1/32"), total_s=5)
    async with receiving() as receiver:
        url = f"http://partner.example:{receiver.port}/"
        assert (await call(url, limits, lookup=rebinding)).delivered
    assert asked == ["partner.example"]


async def test_the_system_resolver_gives_addresses_and_the_checked_one_judges_them() -> None:
    assert set(await system_lookup("localhost", 80)) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match="not a public address"):
        await CheckedResolver(()).resolve("localhost", 80)
    allowed = parse_networks("127.0.0.0/8,::1/128")
    found = await CheckedResolver(allowed).resolve("localhost", 80)
    assert {one["host"] for one in found} <= {"127.0.0.1", "::1"} and found


async def test_names_that_are_none_have_no_address() -> None:
    for host in ("nowhere.invalid", "a" * 70 + ".example", "a..b"):
        answer = await call(f"http://{host}/")
        assert answer.reason in {"name_unresolved", "address_refused"}, answer


async def test_a_redirect_is_followed_within_bounds() -> None:
    async def hop(request: web.Request) -> web.StreamResponse:
        left = int(request.query.get("left", "0"))
        if left:
            raise web.HTTPFound(f"/pb?left={left - 1}")
        return web.Response(text="here")

    async with receiving(hop) as receiver:
        answer = await call(f"{receiver.url}/pb?left=3", key=b"k")
        assert (answer.status, answer.text) == (200, "here")
        last = receiver.heard[-1]
        at = int(last.headers["X-Afflux-Timestamp"])
        signed = signature(b"k", at, "GET", f"{receiver.url}/pb?left=0", b"")
        assert last.headers["X-Afflux-Signature"] == signed
        too_many = await call(f"{receiver.url}/pb?left=4")
        assert too_many.reason == "redirect_refused"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.2:{port}/", "address_refused"),
        ("http://169.254.169.254/latest/meta-data/", "address_refused"),
        ("http://[::1]:{port}/", "address_refused"),
        ("http://2130706434:{port}/", "address_refused"),
        ("file:///etc/passwd", "redirect_refused"),
        ("gopher://127.0.0.1:{port}/", "redirect_refused"),
        ("http://u:p@127.0.0.1:{port}/", "redirect_refused"),
        ("http://127.0.0.1:22/", "redirect_refused"),
        ("//127.0.0.2:{port}/", "address_refused"),
        ("http://127.0.0.1\\@127.0.0.2:{port}/", "redirect_refused"),
    ],
)
async def test_a_redirect_leads_nowhere_a_postback_may_not_go(location: str, reason: str) -> None:
    limits = Limits(parse_networks("127.0.0.1/32"), total_s=5)
    async with receiving() as receiver:
        target = location.format(port=receiver.port)

        async def away(request: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": target})

        receiver.handler = away
        answer = await call(f"{receiver.url}/", limits)
        assert answer.reason == reason, answer
        assert len(receiver.heard) == 1


async def test_a_post_is_repeated_only_where_the_status_says_so() -> None:
    async def hop(request: web.Request) -> web.StreamResponse:
        if request.path == "/end":
            return web.Response(text=(await request.text()))
        return web.Response(status=int(request.path[1:]), headers={"Location": "/end"})

    async with receiving(hop) as receiver:
        kept = await call(f"{receiver.url}/307", method="POST", body=b"{}")
        assert (kept.status, kept.text) == (200, "{}")
        lost = await call(f"{receiver.url}/302", method="POST", body=b"{}")
        assert lost.reason == "redirect_refused"


async def test_a_huge_answer_is_read_to_its_beginning_only() -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(2_000):
                await response.write(b"A\n\x00\xff" * 16_384)
                sent += 65_536
        except (ConnectionError, RuntimeError):
            pass
        return response

    async with receiving(flood) as receiver:
        answer = await call(f"{receiver.url}/")
    assert answer.delivered
    assert len(answer.text) <= SNIPPET and answer.text.isprintable()
    assert sent < 2_000 * 65_536


async def test_silence_and_dripping_end_in_time() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.05)

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    limits = Limits(LOOPBACK.allowed, total_s=0.4)
    for handler in (drip, silent):
        async with receiving(handler) as receiver:
            assert (await call(f"{receiver.url}/", limits)).reason == "no_answer"


async def test_nobody_there_no_name_no_http_no_tls_are_told_apart() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert (await call(f"http://127.0.0.1:{port}/")).reason == "connection_failed"

    async def nothing(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert (await call("http://nowhere.example/", lookup=nothing)).reason == "name_unresolved"

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await call(f"http://127.0.0.1:{port}/")).reason == "protocol_broken"
        assert (await call(f"https://127.0.0.1:{port}/")).reason == "tls_failed"


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("120", 120_000, 120_000),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 10**12, 10**13),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("soon", None, None),
        ("-5", None, None),
    ],
)
async def test_retry_after_is_read_as_seconds_or_a_date(
    text: str, least: int | None, most: int | None
) -> None:
    async def later(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": text})

    async with receiving(later) as receiver:
        asked = (await call(f"{receiver.url}/")).retry_after_ms
    if least is None or most is None:
        assert asked is None
    else:
        assert asked is not None and least <= asked <= most


async def test_proxies_of_the_environment_and_cookies_have_no_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def baker(request: web.Request) -> web.StreamResponse:
        response = web.Response(text=request.headers.get("Cookie", "none"))
        response.set_cookie("a", "b")
        return response

    async with receiving(baker) as receiver, receiving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with Caller(LOOPBACK, lambda: Millis(0)) as caller:
            request = Request(bytes(16), 1, "GET", f"{receiver.url}/")
            assert (await caller.call(request)).text == "none"
            assert (await caller.call(request)).text == "none"
        assert proxy.heard == []
