"""The sender: what is due goes out, at least once, in order, and nobody waits for somebody else.

How many calls are under way, and whose, is counted in `places`. Each is leased in the database, so
that another sender, or the next process, takes it up when we die in the middle.
"""

from __future__ import annotations

import asyncio

from afflux.kernel.keys import partner_key
from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.clock import now_ms
from afflux.runtime.log import get_logger
from afflux.runtime.pg import Pool, open_pool
from afflux.runtime.settings import Settings
from services.notify.calling import Caller, Limits, Request
from services.notify.domain.addresses import parse_networks
from services.notify.domain.places import Bounds, Places
from services.notify.domain.schedule import Attempt, Delivered, Parked, Policy, after
from services.notify.housekeeping import Housekeeping
from services.notify.queries import deliveries
from services.notify.queries.deliveries import Claimed, Outcome

log = get_logger(__name__)
IDLE_S = 1.0
GATHER_S = 0.02
"""What ends within this is followed up by one look."""
DRAIN_S = 7.0
CONNECTIONS = 4
NOBODY_THERE = frozenset({"no_answer", "connection_failed", "name_unresolved", "tls_failed"})


class Sender:
    """Calls partners; see the module."""

    name = "notify-sender"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secret = settings.secret.get_secret_value().encode()
        self._limits = Limits(
            parse_networks(settings.notify_allow_networks),
            settings.notify_timeout_s,
            settings.notify_concurrency,
        )
        self._policy = Policy(
            first_ms=settings.notify_backoff_ms, give_up_ms=1000 * settings.notify_give_up_s
        )
        self._keeping = Housekeeping(settings)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = Places(
            Bounds(
                most=settings.notify_concurrency,
                per_partner=settings.notify_per_partner,
                per_endpoint=settings.notify_per_endpoint,
                per_host=settings.notify_per_host,
            )
        )
        self._failure: BaseException | None = None

    def wake(self) -> None:
        """Look now: there is something to send."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; raises what PostgreSQL does not get over."""
        pool = await open_pool(self._settings.postgres, CONNECTIONS)
        try:
            async with Caller(self._limits, now_ms) as caller:
                while not stop.is_set():
                    await self._round(pool, caller, now_ms())
                    await self._keeping.turn(pool, now_ms())
                    await self._pause(stop)
                await self._drain()
        finally:
            for task in self._tasks:
                task.cancel()
            await pool.close()
        self._raise()

    def status(self) -> dict[str, object]:
        """Return what is under way and what waits."""
        return {"healthy": True, "under_way": len(self._tasks), **self._keeping.status()}

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _pause(self, stop: asyncio.Event) -> None:
        """Wait for something to do, or a moment."""
        self._raise()
        waiting = [asyncio.create_task(event.wait()) for event in (stop, self._wake)]
        try:
            await asyncio.wait(waiting, timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if self._wake.is_set():
            await asyncio.sleep(GATHER_S)
        self._wake.clear()

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)

    async def _round(self, pool: Pool, caller: Caller, now: Millis) -> None:
        """Begin as many calls as there is room for, endpoint by endpoint."""
        if self._places.full:
            return
        async with pool.connection() as db:
            found = await deliveries.endpoints(db, now)
        lease = Millis(now + round(2_000 * self._settings.notify_timeout_s))
        for endpoint in self._places.ordered(found):
            room = self._places.room(endpoint, now)
            if room > 0:
                async with pool.connection() as db:
                    claimed = await deliveries.claim(db, endpoint, room, now, lease)
                for one in claimed:  # the claim is written now
                    self._begin(pool, caller, one)

    def _begin(self, pool: Pool, caller: Caller, claimed: Claimed) -> None:
        self._places.begin(claimed.endpoint)
        task = asyncio.create_task(self._send(pool, caller, claimed))
        self._tasks.add(task)

        def ended(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            self._places.end(claimed.endpoint)
            if not done.cancelled() and done.exception() is not None:
                self._failure = self._failure or done.exception()
            self._wake.set()

        task.add_done_callback(ended)

    async def _send(self, pool: Pool, caller: Caller, claimed: Claimed) -> None:
        began_at = now_ms()
        answer = await caller.call(self._request(claimed))
        now = Millis(max(now_ms(), began_at))
        attempt = Attempt(claimed.delivery_id, claimed.tries, claimed.give_up_at)
        verdict = after(attempt, answer, now, self._policy)
        there = answer.reason not in NOBODY_THERE  # who answers, even with an error, is
        self._places.note(claimed.endpoint, now - began_at, there, now)
        outcome = Outcome(answer, verdict, began_at, now)
        async with pool.connection() as db, db.transaction():
            await deliveries.record(db, claimed, outcome, self._policy.give_up_ms)
        metrics.POSTBACK_SECONDS.observe((now - began_at) / 1000)
        metrics.POSTBACK_ATTEMPTS.labels(answer.code).inc()
        match verdict:
            case Delivered():
                metrics.POSTBACKS.labels("delivered").inc()
            case Parked(reason):
                metrics.POSTBACKS.labels("parked").inc()
                log.warning("postback_parked", partner=claimed.partner_id, reason=reason)

    def _request(self, claimed: Claimed) -> Request:
        key = None
        if claimed.key_id is not None:
            key = partner_key(self._secret, claimed.partner_id, claimed.key_id)
        return Request(
            event_id=claimed.event_id,
            attempt=claimed.attempts,
            method=claimed.method,
            url=claimed.url,
            body=claimed.body.encode(),
            key_id=claimed.key_id,
            key=key,
        )
