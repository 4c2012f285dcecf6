"""The edge process: journal, index, catalogue and Granian, started and stopped in order.

Granian runs inside our process beside the event loop and the journal's thread, and one kill ends
all of it. More cores mean more edges, each with its own AFFLUX_EDGE_ID.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from granian.server.embed import Server

from afflux.kernel.ids import ulid
from afflux.kernel.keys import click_key
from afflux.kernel.types import Id16
from afflux.runtime import metrics
from afflux.runtime.clock import now_ms
from afflux.runtime.log import get_logger
from afflux.runtime.process import Runnable, run_workers
from afflux.runtime.settings import Settings
from services.tracking.catalog_feed import CatalogFeed
from services.tracking.click_path import ClickPath
from services.tracking.domain.addresses import Proxies, parse_networks
from services.tracking.domain.authentication import Authenticator
from services.tracking.domain.caps import MARK as CAP_MARK
from services.tracking.domain.limits import MINUTE_NS, Gate, Limit, Rates
from services.tracking.domain.nonces import Nonces
from services.tracking.domain.opt_out import OptOut
from services.tracking.domain.privacy import customer_secret
from services.tracking.domain.routes import Routes
from services.tracking.edge import Edge
from services.tracking.endpoints import endpoints
from services.tracking.erasure_feed import ErasureFeed
from services.tracking.geo import GeoDatabases
from services.tracking.index import ReportIndex
from services.tracking.journal import Journal
from services.tracking.journal.store import Store
from services.tracking.keeping import Keeper, Site
from services.tracking.preset_file import load_presets
from services.tracking.reports import Reports
from services.tracking.server import make_server, serve_with

log = get_logger(__name__)
_LEAVE_S = 5.0
_COUNT_S = 0.5
_SWITCH_S = 0.0005
"""Python's default lets the journal's thread wait 5 ms for its turn after each sync."""

_GC = (50_000, 20, 100)
"""Clicks wait in the queue as small objects without cycles: looking for cycles among them every 700
objects, as Python does by default, took a twelfth of the core."""


class EdgeWorker:
    """One edge."""

    name = "edge"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secret = settings.secret.get_secret_value().encode()
        key_ids = [int(text) for text in settings.click_key_ids.split(",")]
        self._click_keys = {key_id: click_key(self._secret, key_id) for key_id in key_ids}
        self._proxies = Proxies(
            parse_networks(settings.edge_trusted_proxies), settings.edge_address_header
        )
        self._clicks = ClickPath(
            self._secret,
            key_ids[0],
            secure_cookie=settings.edge_url.startswith("https:"),
            proxies=self._proxies,
            opt_out=OptOut(settings.edge_opt_out),
        )
        self._erasures = ErasureFeed(
            settings, settings.home / "cache" / f"erasures-{settings.edge_id}.bin"
        )
        self._clicks.forget(self._erasures.keys)
        self._geo = GeoDatabases(settings.geo_db, self._clicks.locate_with)
        self._journal: Journal | None = None
        self._feed: CatalogFeed | None = None
        self._server: Server | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, then answer what is in flight and close the journal."""
        settings = self._settings
        store = Store(settings.journal, settings.journal_segment_bytes)
        index = ReportIndex(settings.home / "index" / settings.edge_id)
        replayed = await asyncio.to_thread(index.catch_up, settings.journal)
        self._clicks.counts.restore(index.marks(CAP_MARK))
        await asyncio.to_thread(self._clicks.warm)
        await asyncio.to_thread(self._geo.refresh)
        journal = self._journal = Journal(store, settings.journal_limit_bytes, index.add)
        log.info("journal_open", replayed=replayed, **journal.tally)
        _show(journal)
        writing = asyncio.create_task(journal.run())
        feed = self._feed = CatalogFeed(
            settings, settings.home / "cache" / f"catalog-{settings.edge_id}.json", self._publish
        )
        feed.load_cache()
        self._erasures.load_cache()
        following = asyncio.create_task(self._follow(feed, stop))
        locating = asyncio.create_task(self._geo.run(stop))
        serving = asyncio.create_task(self._serve(journal, index, feed, stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait(
                [writing, following, serving, stopping], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stop.set()
            await self._leave(serving)
            journal.close()
            await asyncio.wait([writing, following, locating], timeout=_LEAVE_S)
            for task in (writing, following, serving, locating):
                if not task.done():
                    task.cancel()
            journal.release()
            index.close()
        for task in (writing, following, serving, locating):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def status(self) -> dict[str, object]:
        """Return counts and health: ready once a catalogue, fresh or remembered, is there."""
        journal, feed = self._journal, self._feed
        if journal is None or feed is None or not feed.ready or self._server is None:
            return {"healthy": False}
        return {
            "healthy": True,
            "lag": journal.pending,
            "journaled": journal.tally,
            "journal_bytes": journal.used_bytes,
            "journal_full": journal.full,
            "links": len(self._clicks.routes.by_code),
            "erased_visitors": len(self._erasures.keys),
            "catalog_revision": self._clicks.routes.revision,
            "geo": self._geo.status,
        }

    async def _follow(self, feed: CatalogFeed, stop: asyncio.Event) -> None:
        await asyncio.gather(feed.run(stop), self._erasures.run(stop))

    def _publish(self, routes: Routes) -> None:
        self._clicks.routes = routes

    async def _serve(
        self, journal: Journal, index: ReportIndex, feed: CatalogFeed, stop: asyncio.Event
    ) -> None:
        while not feed.ready:
            if stop.is_set():
                return
            await asyncio.sleep(0.05)
        site = Site(
            edge_id=self._settings.edge_id,
            tenant_id=self._settings.tenant_id,
            click_keys=self._click_keys,
            customer_secret=customer_secret(self._secret),
            fresh_id=_fresh_id,
            routes=lambda: self._clicks.routes,
            erased=self._erasures.keys,
        )
        authenticator = Authenticator(self._secret, Nonces())
        settings = self._settings
        gate = Gate(_rates(settings))
        keeper = Keeper(site, journal, index)
        reports = Reports(site, authenticator, gate, keeper, load_presets())
        table = endpoints(reports)
        edge = Edge(self._clicks, table, journal, self._proxies, gate, settings.edge_read_s)
        server = self._server = make_server(
            settings.edge_host,
            settings.edge_port,
            connections=settings.edge_connections,
            read_s=settings.edge_read_s,
        )
        counting = asyncio.create_task(_every(_COUNT_S, edge.publish_counts))
        try:
            await serve_with(server, edge.take)
        finally:
            counting.cancel()
            await edge.drain(_LEAVE_S)
            edge.publish_counts()

    async def _leave(self, serving: asyncio.Task[None]) -> None:
        if self._server is not None:
            self._server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait([serving], timeout=_LEAVE_S)


async def _every(seconds: float, call: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        call()


def _rates(settings: Settings) -> Rates:
    return Rates(
        advertiser=Limit.of(settings.edge_advertiser_rate, settings.edge_advertiser_burst),
        address=Limit.of(settings.edge_address_rate, settings.edge_address_burst),
        failure=Limit.of(settings.edge_failure_rate, settings.edge_failure_burst, MINUTE_NS),
    )


def _show(journal: Journal) -> None:
    """Let the metrics ask the journal whenever somebody reads them."""
    for kind in journal.tally:
        metrics.JOURNALED.labels(kind).set_function(partial(_tallied, journal, kind))
    metrics.JOURNAL_BYTES.set_function(lambda: journal.used_bytes)


def _tallied(journal: Journal, kind: str) -> int:
    return journal.tally[kind]


def _fresh_id() -> Id16:
    return ulid(now_ms(), os.urandom(10))


def build(settings: Settings) -> Sequence[Runnable]:
    """Return the parts of an edge process."""
    return [EdgeWorker(settings)]


def main(settings: Settings) -> None:
    """Run an edge until SIGTERM."""
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()
    gc.set_threshold(*_GC)
    run_workers([build], settings, f"edge {settings.edge_id}")
