"""Slow partners and their neighbours, on a real PostgreSQL and real receivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from afflux.kernel.catalog import Partner, Postback
from afflux.runtime.migrate import migrate_postgres
from tests.notify_samples import EVERY, catalog_with, credited, entry, partner_with, share
from tests.notify_stage import NotifyFeeder, notifying, sending, settings_of
from tests.support.receiver import Receiver, receiving

SLOW, QUICK = (100, 101), 103
CONVERSIONS = 30


@asynccontextmanager
async def hanging(released: asyncio.Event) -> AsyncIterator[dict[int, list[Receiver]]]:
    """Ten receivers, each on its own port, for each slow partner; none answers before that."""

    async def hang(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with AsyncExitStack() as stack:
        yield {
            partner: [await stack.enter_async_context(receiving(hang)) for _ in range(10)]
            for partner in SLOW
        }


async def feed(feeder: NotifyFeeder) -> None:
    """Conversions that all three partners have a share of, the slow ones' postbacks first."""
    for number in range(CONVERSIONS):
        txn, partners = f"t{number}", (*SLOW, QUICK)
        shares = [share(partner, 1, 3) for partner in partners]
        posted = [entry(n, txn=txn, partner=partner) for n, partner in enumerate(partners)]
        await feeder.feed(credited(txn, shares=shares), *posted)


async def test_slow_partners_with_many_urls_leave_places_for_a_quick_one(
    fresh_postgres: str,
) -> None:
    migrate_postgres(fresh_postgres)
    released = asyncio.Event()
    async with hanging(released) as slow, receiving() as quick:
        partners = [
            Partner(
                id=partner,
                name="slow",
                postbacks=[Postback(url=one.url + "/pb", events=EVERY) for one in receivers],
            )
            for partner, receivers in slow.items()
        ]
        view = catalog_with(*partners, partner_with(quick.url + "/pb", partner=QUICK))
        settings = settings_of(fresh_postgres, notify_timeout_s=60.0)
        async with notifying(settings, view) as feeder:
            await feed(feeder)
            async with sending(feeder.sender):
                await quick.until(CONVERSIONS)
                hung = [sum(one.under_way for one in slow[partner]) for partner in SLOW]
                released.set()  # the slow ones answer only now
    assert all(0 < count <= settings.notify_per_partner for count in hung)
    assert len({heard.event_id for heard in quick.heard}) == CONVERSIONS
