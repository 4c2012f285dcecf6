"""Postbacks on a real PostgreSQL and a real receiver: order, retries, parking, neighbours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from typer.testing import CliRunner

from afflux.cli.notify import app
from afflux.kernel.catalog import Partner, Postback
from afflux.kernel.events import Verdict
from afflux.kernel.keys import partner_key
from afflux.kernel.postback import PostbackEvent, PostbackMethod
from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import write_env
from afflux.runtime.migrate import migrate_postgres
from afflux.runtime.pg import connect_async
from services.notify.domain.signing import signature
from services.notify.queries import deliveries, stories
from services.notify.queries.stories import OwnershipLost
from services.notify.reading import parked_of
from services.notify.sender import Sender
from tests.notify_samples import (
    EVERY,
    catalog_with,
    credited,
    entry,
    partner_with,
    release,
    reversal,
    share,
)
from tests.notify_stage import SECRET, events_of, notifying, sending, settings_of
from tests.payouts_samples import PARTNER, T0, change, key_of
from tests.support.receiver import receiving

FOUR = [
    credited(),
    entry(0),
    release(1),
    reversal(2, 300, "available"),
    reversal(3, 500, "available"),
]
HEARD = ["accepted", "approved", "changed", "reversed"]


@pytest.fixture
def dsn(fresh_postgres: str) -> Iterator[str]:
    """A migrated database."""
    migrate_postgres(fresh_postgres)
    yield fresh_postgres


def template(url: str) -> str:
    return url + "/pb?e={event}&n={sequence}&p={payout}&c={conversion_id}"


def events(paths: list[str]) -> list[str]:
    return [path.split("e=")[1].split("&")[0] for path in paths]


async def test_events_of_a_conversion_arrive_in_order_and_are_logged(dsn: str) -> None:
    async with receiving() as receiver:
        view = catalog_with(partner_with(template(receiver.url)))
        async with notifying(settings_of(dsn), view) as feeder, sending(feeder.sender):
            for event in FOUR:
                await feeder.feed(event)
            rows = await feeder.until_ended()
    assert events([heard.path for heard in receiver.heard]) == HEARD
    assert events_of(rows) == [(event, "delivered") for event in HEARD]
    assert [row["tried"][0]["answer"] for row in rows] == ["thanks"] * 4
    assert [row["status"] for row in rows] == [200] * 4


async def test_a_later_event_waits_for_the_earlier_one(dsn: str) -> None:
    down = True

    async def failing(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503 if down else 200)

    async with receiving(failing) as receiver:
        view = catalog_with(partner_with(template(receiver.url)))
        async with notifying(settings_of(dsn), view) as feeder, sending(feeder.sender):
            for event in FOUR:
                await feeder.feed(event)
            await receiver.until(3)
            assert set(events([heard.path for heard in receiver.heard])) == {"accepted"}
            down = False
            rows = await feeder.until_ended()
    succeeded = events([heard.path for heard in receiver.heard])
    assert list(dict.fromkeys(succeeded)) == HEARD
    assert len({heard.event_id for heard in receiver.heard}) == 4
    assert events_of(rows) == [(event, "delivered") for event in HEARD]


async def retried(home: Path, *arguments: str) -> tuple[int, dict[str, list[str]]]:
    """Run `afflux notify retry --json`; return its exit code and what it printed."""
    line = ["retry", *arguments, "--home", str(home), "--json"]
    done = await asyncio.to_thread(CliRunner().invoke, app, line)
    return done.exit_code, json.loads(done.stdout)


async def test_a_parked_event_lets_the_next_go_and_can_be_asked_for_again(
    dsn: str, home: Path
) -> None:
    write_env(home, {"AFFLUX_POSTGRES": dsn})

    async def gone(request: web.Request) -> web.StreamResponse:
        return web.Response(status=410 if request.query["e"] == "accepted" else 200)

    async with receiving(gone) as receiver:
        view = catalog_with(partner_with(template(receiver.url)))
        async with notifying(settings_of(dsn), view) as feeder, sending(feeder.sender):
            await feeder.feed(*FOUR[:3])
            rows = await feeder.until_ended()
            assert events_of(rows) == [("accepted", "parked"), ("approved", "delivered")]
            assert rows[0]["reason"] == "endpoint_gone"
            receiver.handler = None
            (parked,) = [one.hex() for one in await parked_of(feeder.settings, PARTNER)]
            told = {"retried": [parked], "missing": []}
            assert await retried(home, "--partner", str(PARTNER)) == (0, told)
            assert await retried(home, parked) == (1, {"retried": [], "missing": [parked]})
            rows = await feeder.until_ended()
    assert events_of(rows) == [("accepted", "delivered"), ("approved", "delivered")]
    assert len(rows[0]["tried"]) == 2


async def test_given_up_after_its_time_and_a_refused_address_at_once(dsn: str) -> None:
    async def failing(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="oops")

    async with receiving(failing) as receiver:
        posts = [
            Postback(url=template(receiver.url), events=EVERY),
            Postback(url="http://10.1.2.3/", events=EVERY),
        ]
        view = catalog_with(Partner(id=PARTNER, name="p", postbacks=posts))
        settings = settings_of(dsn, notify_give_up_s=1, notify_backoff_ms=200)
        async with notifying(settings, view) as feeder, sending(feeder.sender):
            await feeder.feed(*FOUR[:2])
            rows = await feeder.until_ended()
    by_slot = {row["slot"]: row for row in rows}
    assert (by_slot[0]["state"], by_slot[0]["reason"]) == ("parked", "given_up")
    assert len(by_slot[0]["tried"]) > 1
    assert {one["result"] for one in by_slot[0]["tried"]} == {"answered_error"}
    assert (by_slot[1]["state"], by_slot[1]["reason"]) == ("parked", "address_refused")
    assert len(by_slot[1]["tried"]) == 1


async def test_retry_after_is_waited_for(dsn: str) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "3600"})

    async with receiving(busy) as receiver:
        view = catalog_with(partner_with(template(receiver.url)))
        async with notifying(settings_of(dsn), view) as feeder, sending(feeder.sender):
            await feeder.feed(*FOUR[:2])
            await receiver.until(1)
            while not (row := (await feeder.log())[0])["tried"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    assert row["next_at"] >= row["tried"][0]["at"] + 3_600_000


async def test_a_dead_partner_delays_nobody(dsn: str) -> None:
    released = asyncio.Event()

    async def hanging(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with receiving(hanging, host="127.0.0.2") as slow, receiving() as quick:
        view = catalog_with(
            partner_with(template(f"http://127.0.0.2:{slow.port}")),
            partner_with(template(quick.url), partner=101),
        )
        settings = settings_of(dsn, notify_concurrency=8, notify_timeout_s=60.0)
        async with notifying(settings, view) as feeder, sending(feeder.sender):
            for number in range(40):
                txn = f"t{number}"
                both = [share(PARTNER, 1, 2), share(101, 1, 2)]
                accrued = [entry(0, txn=txn), entry(1, txn=txn, partner=101)]
                await feeder.feed(credited(txn, shares=both), *accrued)
            await quick.until(40)
            assert 0 < slow.most <= settings.notify_per_endpoint
            late = await feeder.log(partner_id=PARTNER)
            assert {row["state"] for row in late} == {"waiting"}
            released.set()
    assert len({heard.event_id for heard in quick.heard}) == 40


async def test_a_signed_post_reaches_the_partner(dsn: str) -> None:
    async with receiving() as receiver:
        one = partner_with(
            f"{receiver.url}/in", [PostbackEvent.ACCEPTED], method=PostbackMethod.POST, sign=True
        )
        view = catalog_with(one)
        async with notifying(settings_of(dsn), view) as feeder, sending(feeder.sender):
            await feeder.feed(*FOUR[:3])
            rows = await feeder.until_ended()
    (heard,) = receiver.heard
    at = int(heard.headers["X-Afflux-Timestamp"])
    key = partner_key(SECRET.encode(), PARTNER, "k1")
    expected = signature(key, at, "POST", f"{receiver.url}/in", heard.body)
    assert heard.headers["X-Afflux-Signature"] == expected
    assert events_of(rows) == [("accepted", "delivered")]


async def test_I3_records_that_come_again_repeat_no_delivery(dsn: str) -> None:
    async with receiving() as receiver:
        view = catalog_with(partner_with(template(receiver.url)))
        async with notifying(settings_of(dsn), view) as feeder, sending(feeder.sender):
            for _ in range(3):
                await feeder.feed(*FOUR)
            await feeder.until_ended()
            await feeder.look()
            rows = await feeder.until_ended()
    assert events([heard.path for heard in receiver.heard]) == ["accepted", "reversed"]
    assert len(rows) == 2


async def test_partners_without_postbacks_leave_no_trace(dsn: str) -> None:
    async with notifying(settings_of(dsn), catalog_with()) as feeder:
        await feeder.feed(*FOUR)
        assert await feeder.log() == []
        db = await connect_async(dsn, autocommit=True)
        cursor = await db.execute("SELECT count(*) FROM notify.stories")
        assert await cursor.fetchone() == (0,)
        await db.close()


async def test_postbacks_that_begin_in_the_middle_tell_whole_stories_only(dsn: str) -> None:
    async with receiving() as receiver:
        view = catalog_with()
        async with notifying(settings_of(dsn), view) as feeder, sending(feeder.sender):
            await feeder.feed(credited("held", verdict=Verdict.HOLD), entry(0, txn="held"))
            await feeder.feed(credited("paid"), entry(0, txn="paid"), release(1, txn="paid"))
            view.apply(change(partner_with(template(receiver.url)), 2, T0 + 1, T0 + 1))
            await feeder.feed(
                credited("held", version=2, verdict=Verdict.REJECT), reversal(1, txn="held")
            )
            await feeder.feed(reversal(2, 400, "available", txn="paid"))
            await feeder.feed(credited("paid", version=2))
            await feeder.feed(credited("new", at=T0 + 1), entry(0, txn="new"))
            rows = await feeder.until_ended()
    assert [(row["conversion_key"], row["event"]) for row in rows] == [
        (key_of("new").hex(), "accepted")
    ]
    assert len(receiver.heard) == 1


async def test_a_zombie_owner_writes_nothing(dsn: str) -> None:
    view = catalog_with(partner_with("http://127.0.0.1:1234/"))
    settings = settings_of(dsn)
    async with notifying(settings, view) as zombie, notifying(settings, view) as owner:
        with pytest.raises(OwnershipLost):
            await zombie.feed(*FOUR[:2])
        assert await owner.log() == []
        await owner.feed(*FOUR[:2])
        assert len(await owner.log()) == 1


async def test_what_a_dead_sender_had_claimed_is_taken_up_when_its_lease_ends(dsn: str) -> None:
    async with receiving() as receiver:
        view = catalog_with(partner_with(template(receiver.url)))
        async with notifying(settings_of(dsn), view) as feeder:
            await feeder.feed(*FOUR[:2])
            db = await connect_async(dsn, autocommit=True)
            now = Millis(now_ms() + 2_000)
            (endpoint,) = await deliveries.endpoints(db, now)
            lease = Millis(now_ms() + 500)
            claimed = await deliveries.claim(db, endpoint, 10, now, lease)
            assert await deliveries.claim(db, endpoint, 10, Millis(now_ms()), lease) == []
            await db.close()
            async with sending(Sender(feeder.settings)):
                rows = await feeder.until_ended()
    assert [heard.event_id for heard in receiver.heard] == [claimed[0].event_id.hex()]
    assert (rows[0]["state"], rows[0]["attempts"]) == ("delivered", 2)


async def test_the_log_is_forgotten_after_its_time_and_stories_after_theirs(dsn: str) -> None:
    async with receiving() as receiver:
        view = catalog_with(partner_with(template(receiver.url)))
        async with notifying(settings_of(dsn), view) as feeder, sending(feeder.sender):
            await feeder.feed(*FOUR[:2])
            await feeder.until_ended()
            db = await connect_async(dsn, autocommit=True)
            later = Millis(now_ms() + 10_000)
            assert await stories.forget(db, later, 10) == 0, "its log still needs it"
            assert await deliveries.forget(db, Millis(0), 10) == 0
            assert await deliveries.forget(db, later, 10) == 1
            assert await stories.forget(db, later, 10) == 1
            assert await feeder.log() == []
            await db.close()
