"""One process: its runnables, its signals, and its admin port with health and metrics."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from afflux.runtime.log import configure_logging, get_logger
from afflux.runtime.settings import Settings

log = get_logger(__name__)


class Runnable(Protocol):
    """Something that runs until told to stop."""

    name: str

    async def run(self, stop: asyncio.Event) -> None:
        """Run; return soon after `stop` is set; raise on the unexpected."""
        ...

    def status(self) -> dict[str, object]:
        """Return its state; `healthy` False makes /healthz fail."""
        ...


Builder = Callable[[Settings], Sequence[Runnable]]


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the process has them."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the process: uvicorn would take them first and pass them on late."""
        yield


def http_server(app: FastAPI, host: str, port: int) -> Server:
    """Return a server for `app` that runs inside our loop."""
    return Server(uvicorn.Config(app, host=host, port=port, log_level="warning", lifespan="off"))


def admin_app(parts: Sequence[Runnable]) -> FastAPI:
    """Return the admin app: /healthz, /status, /metrics. Never on the public port (law S4)."""
    app = FastAPI(title="afflux admin", docs_url=None, redoc_url=None)

    @app.get("/healthz")
    def healthz(response: Response) -> dict[str, object]:
        states = {part.name: bool(part.status().get("healthy", True)) for part in parts}
        response.status_code = 200 if all(states.values()) else 503
        return {"healthy": all(states.values()), "parts": states}

    @app.get("/status")
    def status() -> dict[str, object]:
        states = {part.name: part.status() for part in parts}
        lags = [state["lag"] for state in states.values() if isinstance(state.get("lag"), int)]
        return {"lag": sum(lag for lag in lags if isinstance(lag, int)), "parts": states}

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def run_workers(builders: Sequence[Builder], settings: Settings, name: str = "worker") -> None:
    """Run what the builders make in one process until SIGTERM or SIGINT.

    When one part fails all are stopped and the failure is raised: a supervisor starts the process
    again, from what is committed.
    """
    configure_logging(name)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_run(builders, settings))


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 - the purity tests load this module without it

    return uvloop.new_event_loop()


async def _run(builders: Sequence[Builder], settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parts = [part for build in builders for part in build(settings)]
    admin = http_server(admin_app(parts), settings.admin_host, settings.admin_port)
    serving = asyncio.create_task(admin.serve())
    try:
        await run_parts(parts, stop)
    finally:
        admin.should_exit = True
        await asyncio.wait([serving], timeout=3)
    log.info("stopped", parts=[part.name for part in parts])


async def run_parts(parts: Sequence[Runnable], stop: asyncio.Event) -> None:
    """Run all parts; the first failure stops the others and is raised."""

    async def guarded(part: Runnable) -> None:
        try:
            await part.run(stop)
        except Exception as error:
            log.error("part_failed", part=part.name, error=repr(error), exc_info=True)
            raise
        finally:
            stop.set()

    results = await asyncio.gather(*map(guarded, parts), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
