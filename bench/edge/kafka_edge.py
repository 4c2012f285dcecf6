"""The edge one would write without a journal: aiohttp, and a Kafka record for each click.

    python -m bench.edge.kafka_edge wait|fire PORT KAFKA TOPIC

`wait` answers after Kafka's ack (`send_and_wait`, acks=all); `fire` hands the record to the
producer and answers at once, so that a broker that is down, or a crash, loses clicks. It does for
a click what our edge does: visitor from the cookie or a new one with Set-Cookie, sub ids, a preview
check, address cut and hashed, referrer cut, a signed click id, one msgpack record, a landing with
macros. The signing and the record's encoder are the same code; what can be cached is.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote, urlsplit

import msgspec
import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer

from afflux.kernel.ids import ulid
from afflux.kernel.keys import click_key
from afflux.kernel.token import ClickToken, sign
from afflux.kernel.types import Id16, Millis
from bench.edge.catalogue import CODES, PARTNERS, SECRET

_KEY = click_key(SECRET.encode(), 1)
_SUBS = tuple(f"sub{number}" for number in range(1, 11))
_MARK = "afflux_v="
_BACKLOG = 200_000
"""Records that `fire` lets wait at most; then it waits for the producer, as its buffer is full."""


class Record(msgspec.Struct, array_like=True):
    """One click."""

    click_id: bytes
    visitor: bytes
    is_new: bool
    link_id: int
    partner_id: int
    offer_id: int
    received_at: int
    ip_prefix: str
    ip_hash: bytes
    user_agent: str
    language: str | None
    referrer_host: str | None
    referrer_path: str | None
    sub: list[str]
    source: str | None
    ref_id: str | None
    fetch_metadata: str
    outcome: str


class KafkaEdge:
    """The handler, with the links of the benchmarks' catalogue."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, *, wait: bool) -> None:
        self._producer, self._topic, self._wait = producer, topic, wait
        self._encode = msgspec.msgpack.Encoder().encode
        self._links = {code: number for number, code in enumerate(CODES)}

    async def click(self, request: web.Request) -> web.Response:
        """Redirect one click."""
        number = self._links.get(request.match_info["code"])
        if number is None:
            return web.Response(status=404, text="This link leads nowhere.\n")
        visitor, is_new = _visitor(request.headers.get("cookie", ""))
        click_id = ulid(Millis(time.time_ns() // 1_000_000), os.urandom(10))
        record = _record(request, number, click_id, visitor, is_new)
        value = self._encode(record)
        if self._wait:
            await self._producer.send_and_wait(self._topic, value, key=visitor)
        else:
            await self._producer.send(self._topic, value, key=visitor)
        token = ClickToken(
            click_id, Id16(visitor), record.offer_id, 1, record.partner_id, record.link_id
        )
        location = (
            f"https://shop{record.offer_id - 100}.example/l1?cid={sign(token, 1, _KEY)}"
            f"&s={quote(record.sub[0] if record.sub else '')}&p={record.partner_id}"
            f"&src={quote(record.source or '')}"
        )
        headers = {"location": location, "cache-control": "no-store"}
        if is_new:
            headers["set-cookie"] = (
                f"{_MARK}{visitor.hex()}; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax"
            )
        return web.Response(status=302, headers=headers)


def _record(
    request: web.Request, number: int, click_id: Id16, visitor: bytes, is_new: bool
) -> Record:
    query, headers = request.query, request.headers
    host, path = _referrer(headers.get("referer"))
    prefix, hashed = _address(request.remote or "")
    agent = headers.get("user-agent", "")[:512]
    offer, partner = divmod(number, PARTNERS)
    return Record(
        click_id,
        visitor,
        is_new,
        1000 + number,
        1 + partner,
        100 + offer,
        time.time_ns() // 1_000_000,
        prefix,
        hashed,
        agent,
        headers.get("accept-language", "").partition(",")[0][:35] or None,
        host,
        path,
        [query[name][:255] for name in _SUBS if name in query],
        query.get("source"),
        query.get("ref_id"),
        f"{headers.get('sec-fetch-site')},{headers.get('sec-fetch-mode')}",
        "preview" if _is_preview(agent) else "redirected",
    )


def _visitor(cookie: str) -> tuple[bytes, bool]:
    start = cookie.find(_MARK)
    if start >= 0:
        try:
            return bytes.fromhex(cookie[start + len(_MARK) :][:32]), False
        except ValueError:
            pass
    return os.urandom(16), True


@lru_cache(maxsize=8_192)
def _referrer(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    parts = urlsplit(text)
    return parts.hostname, parts.path


@lru_cache(maxsize=65_536)
def _address(address: str) -> tuple[str, bytes]:
    hashed = blake2b(address.encode(), digest_size=16, key=_KEY).digest()
    return address.rpartition(".")[0] + ".0/24", hashed


@lru_cache(maxsize=16_384)
def _is_preview(agent: str) -> bool:
    return any(word in agent.lower() for word in ("facebookexternalhit", "twitterbot", "slackbot"))


async def serve(kind: str, port: int, kafka: str, topic: str) -> None:
    """Serve until the process is ended."""
    wait = kind == "wait"
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all" if wait else 1, linger_ms=2, max_batch_size=262_144
    )
    await producer.start()
    app = web.Application()
    app.router.add_get("/c/{code}", KafkaEdge(producer, topic, wait=wait).click)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
