"""Clients that are slow, long-winded or wrong: each meets a clear answer, the others go on."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home
from tests.tracking_stack import ENV, TOKEN, publish_catalog

READ_S = 1.0


@pytest.fixture(scope="module")
def edge() -> Iterator[tuple[str, int]]:
    with temporary_home() as home:
        env = {**ENV, "AFFLUX_EDGE_READ_S": str(READ_S)}
        with Stack(home, ["edge"], free_ports=True, env=env) as stack:
            publish_catalog(stack)
            parts = urlsplit(stack.settings.edge_url)
            assert parts.hostname is not None and parts.port is not None
            yield parts.hostname, parts.port


def closing_connection(edge: tuple[str, int]) -> closing[socket.socket]:
    return closing(socket.create_connection(edge, timeout=20))


def say(edge: tuple[str, int], *parts: bytes, pause_s: float = 0) -> bytes:
    """Send the parts and return what comes until the connection ends or falls silent."""
    with closing(socket.create_connection(edge, timeout=20)) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)
        answer = b""
        try:
            while b"\r\n\r\n" not in answer:
                if not (more := connection.recv(65_536)):
                    break
                answer += more
        except ConnectionResetError:
            pass
        return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def get(target: str, *headers: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "host: x", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_a_client_that_never_ends_its_head_is_cut_off_while_others_are_served(
    edge: tuple[str, int],
) -> None:
    with closing(socket.create_connection(edge, timeout=20)) as slow:
        slow.sendall(b"GET /c/shoes HTTP/1.1\r\nhost: x\r\n")
        assert status(say(edge, get("/c/shoes"))) == 302
        answer = slow.recv(65_536)
    assert answer == b"" or status(answer) in (400, 408)


def test_a_client_that_never_ends_its_body_is_answered_408(edge: tuple[str, int]) -> None:
    head = b"POST /v1/conversions HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n["
    answer = say(edge, head)
    assert status(answer) == 408


@pytest.mark.parametrize("target", ["/c/shoes", "/postback"])
def test_a_query_over_8_kb_is_answered_414(edge: tuple[str, int], target: str) -> None:
    assert status(say(edge, get(f"{target}?sub1={'a' * 8_200}"))) == 414
    assert status(say(edge, get(f"{target}?sub1={'a' * 8_000}"))) != 414


def test_huge_headers_are_answered_431(edge: tuple[str, int]) -> None:
    assert status(say(edge, get("/c/shoes", f"cookie: {'a' * 200_000}"))) == 431
    assert status(say(edge, get("/c/shoes", f"cookie: {'a' * 20_000}"))) == 302


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /c/shoes\x00 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /c/shoes?sub1=\xff\xfe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /c/shoes HTTP/1.1\r\nhost: x\r\ncookie: \xff\xfe\r\nconnection: close\r\n\r\n",
        b"GET /c/%ff%00%0d%0a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET  HTTP/9.9\r\n\r\n",
    ],
)
def test_bytes_that_are_no_good_request_never_meet_a_5xx(edge: tuple[str, int], raw: bytes) -> None:
    answer = say(edge, raw)
    assert answer == b"" or status(answer) < 500
    assert status(say(edge, get("/c/shoes"))) == 302


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_link_takes_get_and_head_only(edge: tuple[str, int], method: str) -> None:
    answer = say(edge, get("/c/shoes").replace(b"GET", method.encode(), 1))
    assert status(answer) == 405


TXN = iter(range(10_000))


def form(txn: str, amount: str) -> bytes:
    return f"token={TOKEN}&goal=sale&txn_id={txn}&amount={amount}".encode()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("ending", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_T1_part_of_a_report_is_never_taken_for_all_of_it(
    edge: tuple[str, int], chunked: bool, ending: int
) -> None:
    txn = f"cut-{next(TXN)}"
    whole = form(txn, "1500.00")
    framing = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % len(whole)
    head = b"POST /postback HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + framing + b"\r\n\r\n"
    part, rest = whole[:-5], whole[-5:]
    with closing_connection(edge) as connection:
        connection.sendall(head + (b"%x\r\n%b\r\n" % (len(part), part) if chunked else part))
        time.sleep(0.2)
        connection.shutdown(ending)
        answer = connection.recv(65_536) if ending == socket.SHUT_WR else b""
    assert answer == b"" or status(answer) == 400
    body = whole
    if chunked:
        body = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(part), part, len(rest), rest)
    kept = say(edge, head, body)
    assert status(kept) == 200  # 409 if the part had been kept
