"""Raw requests, and what of them arrived in Kafka, for the tests of reports."""

from __future__ import annotations

import gzip
import json
import socket

import httpx

from afflux.kernel.events import (
    Conversion,
    Rejection,
)
from afflux.runtime.supervise.stack import Stack
from tests.tracking_stack import TOKEN, shipped, wait_drained

BEARER = {"authorization": f"Bearer {TOKEN}"}
JSON = {**BEARER, "content-type": "application/json"}
ZIPPED = {**JSON, "content-encoding": "gzip"}


def report(txn: str, **more: object) -> dict[str, object]:
    return {"txn_id": txn, "goal": "sale", "amount": "10.00", **more}


def post(web: httpx.Client, items: object, **headers: str) -> httpx.Response:
    body = gzip.compress(json.dumps(items).encode())
    return web.post("/v1/conversions", content=body, headers={**ZIPPED, **headers})


def raw(stack: Stack, head: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Send bytes as they are; return the status and the body of the answer."""
    settings = stack.settings
    with socket.create_connection((settings.edge_host, settings.edge_port), timeout=20) as wire:
        tail = b"Host: edge\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        wire.sendall(head + tail + body)
        answer = b""
        while chunk := wire.recv(65_536):
            answer += chunk
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), rest


def conversions(stack: Stack) -> dict[str | None, Conversion]:
    wait_drained(stack)
    events = shipped(stack.settings)
    return {event.transaction_id: event for event in events if isinstance(event, Conversion)}


def rejections(stack: Stack) -> list[Rejection]:
    wait_drained(stack)
    return [event for event in shipped(stack.settings) if isinstance(event, Rejection)]


BAD_TARGETS = [
    (b"/postback?txn_id=%ff&goal=sale", "body_invalid"),
    (b"/postback?txn_id=a%00b&goal=sale&token=TOKEN", "field_invalid"),
    (b"/postback?txn_id=a&txn_id=b&token=TOKEN", "field_invalid"),
    (b"/postback?click_id=a&click_id=b&token=TOKEN", "field_invalid"),
    (b"/postback?" + b"x" * 8_193, "query_too_long"),
    (b"/postback?txn_id=a&goal=sale&amount=-1&token=TOKEN", "field_invalid"),
    (b"/postback?txn_id=a&goal=sale&amount=99999999999&token=TOKEN", "field_invalid"),
    (b"/postback?txn_id=a&goal=sale&amount=1.001&token=TOKEN", "field_invalid"),
    (b"/postback?txn_id=a&goal=sale&amount=1&currency=EEE&token=TOKEN", "field_invalid"),
    (b"/postback?txn_id=a&goal=sale&order_time=4102444800&token=TOKEN", "field_invalid"),
    (b"/postback?txn_id=%ED%A0%80&goal=sale&token=TOKEN", "body_invalid"),
    (b"/postback?" + b"&".join(b"p%d=1" % n for n in range(101)), "body_invalid"),
]

BAD_BODIES = [
    (b'{"goal":' * 5_000, "body_invalid"),
    (b"[" * 50_000, "body_invalid"),
    (b'{"txn_id": "a", "goal": "sale", "amount": ' + b"9" * 5_000 + b"}", "field_invalid"),
    (b'{"txn_id": "\\ud800", "goal": "sale"}', "field_invalid"),
    (b'{"txn_id": "a\\u0000", "goal": "sale"}', "field_invalid"),
    (b'{"txn_id": "a", "goal": "\xff"}', "body_invalid"),
    (b'{"txn_id": "a", "goal": "sale", "goal": "lead"}', "body_invalid"),
    (b'{"\\ud800": "a", "goal": "sale"}', "field_missing"),
    (b"", "body_invalid"),
    (b"null", "body_invalid"),
]
