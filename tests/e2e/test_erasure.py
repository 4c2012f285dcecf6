"""A visitor is erased: from the click to every store, over crashes and without Kafka (law T5)."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import httpx
from typer.testing import CliRunner

from afflux.cli.demo.command import CATALOG, shelf
from afflux.cli.demo.drain import drain
from afflux.cli.main import build
from afflux.cli.verify import prove
from afflux.kernel.catalog import Advertiser, Link, Offer
from afflux.kernel.events import Rejection
from afflux.kernel.keys import click_key, postback_token
from afflux.kernel.token import ClickToken, TokenError, verify
from afflux.runtime.catalog_file import CatalogFile
from afflux.runtime.catalog_store import apply_plan, load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.rocks import Rocks
from afflux.runtime.supervise.services import DEFAULT_SERVICES, fetch
from afflux.runtime.supervise.stack import Stack
from services.attribution.store import RocksTable
from services.tracking.domain.clicks import COOKIE
from tests.conftest import StackMaker
from tests.tracking_stack import status, until

AGENT = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/131.0"}


class Shop:
    """One link of the demo's catalogue, and its advertiser who reports sales."""

    def __init__(self, stack: Stack, link: Link, offer: Offer, generation: int) -> None:
        self.settings = stack.settings
        self.secret = stack.settings.secret.get_secret_value().encode()
        self.link, self.offer = link, offer
        self.token = postback_token(self.secret, offer.advertiser_id, generation)

    def click(self, cookie: str | None = None) -> tuple[str, str, ClickToken]:
        """Follow the link; return the cookie held then, the click id and what is in it."""
        held = {} if cookie is None else {"cookie": f"{COOKIE}={cookie}"}
        answer = httpx.get(f"{self.settings.edge_url}/c/{self.link.code}", headers=AGENT | held)
        assert answer.status_code == 302
        for _, value in parse_qsl(urlsplit(answer.headers["location"]).query):
            try:
                claims = verify(value, {1: click_key(self.secret, 1)})
            except TokenError:
                continue
            return answer.cookies.get(COOKIE) or cookie or "", value, claims
        raise AssertionError(answer.headers["location"])

    def view(self, cookie: str) -> None:
        """See the creative of the link."""
        url = f"{self.settings.edge_url}/i/{self.link.code}"
        answer = httpx.get(url, headers=AGENT | {"cookie": f"{COOKIE}={cookie}"})
        assert answer.headers["content-type"] == "image/gif"

    def sale(self, click_id: str, number: int) -> httpx.Response:
        """Report a goal for a click."""
        fields = {
            "advertiser": str(self.offer.advertiser_id),
            "token": self.token,
            "txn_id": f"E-{number}",
            "goal": self.offer.goals[0].name,
            "amount": "20",
            "click_id": click_id,
        }
        return httpx.get(f"{self.settings.edge_url}/postback", params=fields)


def command(stack: Stack, *words: str) -> dict[str, object]:
    """Run `afflux visitors ... --json` as its user would."""
    arguments = ["visitors", *words, "--json", "--home", str(stack.home)]
    result = CliRunner().invoke(build(["visitors"]), arguments)
    assert result.exit_code == 0, result.output
    told: dict[str, object] = json.loads(result.stdout)
    return told


def rows(stack: Stack, key: str) -> int:
    """Rows of a visitor in ClickHouse."""
    held = command(stack, "show", key)["rows"]
    assert isinstance(held, dict)
    return sum(held.values())


async def forgotten(stack: Stack, count: int) -> None:
    """Wait until every follower knows `count` erasures and has deleted what it holds."""

    def is_so() -> bool:
        edge, attribution = status(stack, "edge"), stream(stack)
        return (
            edge.get("erased_visitors") == count
            and attribution.get("erased_visitors") == count
            and attribution.get("erasing") == 0
        )

    await asyncio.to_thread(until, is_so, f"{count} visitors are forgotten", 90)


def stream(stack: Stack) -> dict[str, object]:
    """What attribution says of itself; it shares the process `stream`."""
    code, body = fetch(stack.admin_port("stream"), "/status")
    return json.loads(body)["parts"].get("attribution", {}) if code == 200 else {}


async def test_T5_an_erased_visitor_is_forgotten_everywhere(make_stack: StackMaker) -> None:
    stack = make_stack(DEFAULT_SERVICES, env={"AFFLUX_SCREEN_WAIT_MS": "2000"})
    shop = await open_shop(stack)
    visits = [await asyncio.to_thread(shop.click) for _ in range(3)]
    cookies = [cookie for cookie, _, _ in visits]
    for number, (cookie, click_id, _) in enumerate(visits):
        await asyncio.to_thread(shop.click, cookie)
        await asyncio.to_thread(shop.view, cookie)
        assert (await asyncio.to_thread(shop.sale, click_id, number)).json()["code"] == 200
    await drain(stack.settings, stack.home, None, 90, lambda _: None)
    # two clicks, the flag on the second, the view and the conversion
    assert [await asyncio.to_thread(rows, stack, cookie) for cookie in cookies] == [5, 5, 5]
    paid = (await prove(stack.settings)).digests
    assert not paid["transfers"].endswith(":0")

    # by the cookie, and by a click id
    await asyncio.to_thread(command, stack, "erase", cookies[0], "--reason", "request 17")
    await forgotten(stack, 1)
    await asyncio.to_thread(command, stack, "erase", visits[1][1])
    for name in ("analytics", "stream"):  # in the midst of it
        stack.kill(name, signal.SIGKILL)
        stack.wait_ready(name)
    await forgotten(stack, 2)
    await drain(stack.settings, stack.home, None, 90, lambda _: None)
    assert [await asyncio.to_thread(rows, stack, cookie) for cookie in cookies] == [0, 0, 5]

    await later_events_are_refused(shop, visits)
    await drain(stack.settings, stack.home, None, 90, lambda _: None)
    assert await asyncio.to_thread(rows, stack, cookies[0]) == 0
    proof = await prove(stack.settings)
    assert proof.broken == []
    assert {name: proof.digests[name] for name in paid} == paid  # money that was earned stays
    await the_rejection_names_nobody(stack, visits[0][1])

    stack.stop_process("kafka")
    stack.kill("edge", signal.SIGKILL)
    stack.wait_ready("edge")
    assert (await asyncio.to_thread(shop.sale, visits[0][1], 99)).status_code == 410

    stack.stop()
    journeys = journey_visitors(stack)
    assert {visit[2].visitor_key for visit in visits} & journeys == {visits[2][2].visitor_key}


async def open_shop(stack: Stack) -> Shop:
    """Apply the demo's catalogue and pick an offer whose advertiser may use a token."""
    await apply_plan(stack.settings, CatalogFile(CATALOG).plan, "test")
    catalog, at = await load_catalog(stack.settings), now_ms()
    for link, offer in shelf(catalog).links:
        owner = catalog.find(Advertiser, offer.advertiser_id, at, at)
        if owner is not None and owner.allow_token:
            shop = Shop(stack, link, offer, owner.token_generation)
            break
    await asyncio.to_thread(until, answers(shop), "the edge knows the link")
    return shop


def answers(shop: Shop) -> Callable[[], bool]:
    """Whether the link leads to its landing; HEAD is no click."""
    url = f"{shop.settings.edge_url}/c/{shop.link.code}"
    return lambda: httpx.head(url, headers=AGENT).status_code == 302


async def later_events_are_refused(shop: Shop, visits: list[tuple[str, str, ClickToken]]) -> None:
    """The erased cookie belongs to somebody new; the erased click id earns nothing."""
    cookie, click_id, claims = visits[0]
    fresh, _, later = await asyncio.to_thread(shop.click, cookie)
    assert later.visitor_key != claims.visitor_key
    assert fresh == later.visitor_key.hex() != cookie
    refused = await asyncio.to_thread(shop.sale, click_id, 50)
    assert (refused.status_code, refused.json()["reason"]) == (410, "visitor_erased")
    kept, _, same = await asyncio.to_thread(shop.click, visits[2][0])
    assert kept == visits[2][0] == same.visitor_key.hex()


async def the_rejection_names_nobody(stack: Stack, click_id: str) -> None:
    """It says that there was a report, and no word of it."""
    found = [
        record.event
        async for batch in read_topic(stack.settings, [Rejection.topic], Codec.load())
        for record in batch
    ]
    mine = [e for e in found if isinstance(e, Rejection) and e.reason == "visitor_erased"]
    assert len(mine) == 1
    assert (mine[0].query, mine[0].body) == ("", b"")
    assert click_id not in mine[0].detail


def journey_visitors(stack: Stack) -> set[bytes]:
    """Visitors that have rows in the stores of attribution and of the screen."""
    found: set[bytes] = set()
    for folder in sorted((stack.home / "attribution").iterdir()):
        table = RocksTable(folder)
        for kind in (b"j", b"c"):
            found |= {key[1:17] for key, _ in table.walk().above(kind)}
        table.close()
    for folder in sorted((stack.home / "fraud-screen").iterdir()):
        screen = Rocks(folder)
        found |= {key[1:17] for key, _ in screen.scan(b"r")}
        screen.close()
    return found
