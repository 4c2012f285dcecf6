"""Granian, driven by a scheduler of our own.

Granian makes a task for each request and answers 500 when it ends without an answer. A click needs
no task: it is decided at once, in the thread in which the request arrives, and answered by the
journal's thread once it is durable. So each request is handed to `take` as it is, with what is
needed to answer it at any later time from any thread. See docs/adr/0011.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from granian import _granian
from granian.constants import HTTPModes, Interfaces, TaskImpl
from granian.http import HTTP1Settings
from granian.server.embed import AsyncWorker, Server

from services.tracking.click_path import Headers

MAX_HEAD = 32 << 10
"""A head of more than about twice this is answered 431: the server looks after each read."""
_BACKLOG = 1_024


class Scope(Protocol):
    """What RSGI says of a request."""

    method: str
    path: str
    query_string: str
    client: str

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        ...


class Wire(Protocol):
    """RSGI's way to read a body and to answer; answering works from any thread, once."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the body's chunks."""
        ...

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer with bytes."""
        ...


class Arrival(Protocol):
    """One request; while it is held, it can be answered."""

    scope: Scope
    proto: Wire


Take = Callable[[Arrival], None]


_native: Any = _granian  # its stubs are behind its code


class _Scheduler(_native.CallbackScheduler):  # type: ignore[misc]
    def __new__(cls, loop: asyncio.AbstractEventLoop, take: Take) -> _Scheduler:
        made: _Scheduler = super().__new__(cls, loop, None, None, None, None)
        return made

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Take) -> None:
        super().__init__()
        self._schedule_fn = take


def make_server(host: str, port: int, *, connections: int, read_s: float) -> Server:
    """Return a server for at most `connections` connections at once; `serve_with` runs it.

    A client gets `read_s` for the head of a request; a kept connection may be idle as long.
    """
    return Server(
        None,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=connections,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(read_s * 1000), max_buffer_size=MAX_HEAD
        ),
        log_enabled=False,
    )


async def serve_with(server: Server, take: Take) -> None:
    """Serve until the server is stopped; `take` is called in Granian's thread and must not block
    or raise."""

    @AsyncWorker.wrap_target  # type: ignore[untyped-decorator]
    async def spawn(
        worker_id: int,
        shutdown: Any,
        _target: object,
        sock: Any,
        loop: asyncio.AbstractEventLoop,
        *options: Any,
    ) -> None:
        *limits, _task_impl, http, http1, http2, websockets, static, _log, tls, _scope = options
        stopped = loop.create_future()
        shutdown.add_cb(lambda: loop.call_soon_threadsafe(stopped.set_result, None))
        worker = _native.RSGIWorker(
            worker_id,
            sock,
            None,
            *limits,
            http,
            http1,
            http2,
            websockets,
            static,
            *tls,
            (None, None),
        )
        worker.serve_async(_Scheduler(loop, take), loop, shutdown)
        await stopped

    await server.serve(spawn)
