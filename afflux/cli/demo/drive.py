"""Real HTTP traffic for the edges, and a record of what was answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from afflux.cli.demo.plan import Action, Adjust, Again, Report, Story, View, Visit, Wait
from afflux.cli.demo.reports import Sender, Wire

_TOKEN_LENGTH = 60  # no other value in the demo's landing URLs is as long as a click id
_AT_ONCE = 64


class Answer(Struct, frozen=True):
    """What an edge said."""

    status: int
    location: str
    cookies: dict[str, str]
    body: bytes


class Answers:
    """What the edges answered, by kind: the outside view that the inside has to match."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.stories: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.failures: list[str] = []
        self.traceable: list[tuple[str, int, str]] = []


class Driver:
    """Plays stories against the edges."""

    def __init__(self, edges: Sequence[str], sender: Sender) -> None:
        self.answers = Answers()
        self._edges = edges
        self._sender = sender
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._client: aiohttp.ClientSession | None = None

    async def play(self, stories: Sequence[Story], tell: Callable[[float], None]) -> None:
        """Play all stories at their times; `tell` hears how many seconds have passed."""
        started = time.monotonic()
        self._client = _session()

        async def one(story: Story) -> None:
            await asyncio.sleep(max(0, story.start_s - (time.monotonic() - started)))
            await self._tell_story(story)

        tasks = [asyncio.create_task(one(story)) for story in stories]
        while pending := [task for task in tasks if not task.done()]:
            await asyncio.wait(pending, timeout=1)
            tell(time.monotonic() - started)
        await asyncio.gather(*tasks)
        await self._client.close()

    async def _tell_story(self, story: Story) -> None:
        self.answers.stories[story.name] += 1
        cookies: dict[str, str] = {}
        click_id: str | None = None
        last: Report | None = None
        for action in story.actions:
            match action:
                case Wait():
                    await asyncio.sleep(action.seconds)
                case View():
                    await self._view(story, action, cookies)
                case Visit():
                    click_id = await self._visit(story, action, cookies) or click_id
                case _:
                    last = action if isinstance(action, Report) else last
                    await self._report(story, action, click_id, last)

    async def _visit(self, story: Story, visit: Visit, cookies: dict[str, str]) -> str | None:
        target = f"/c/{visit.code}?sub1={visit.sub1}&source={visit.source}"
        wire = Wire("HEAD" if visit.head else "GET", target, b"", _headers(story, cookies))
        answer = await self._send(self._edges[story.edge], wire)
        if answer is None:
            return None
        cookies.update(answer.cookies)
        if answer.status != 302:
            self.answers.failures.append(f"{target} was answered {answer.status}")
            return None
        self.answers.counts["clicks"] += 1
        values = parse_qsl(urlsplit(answer.location).query)
        return next((value for _, value in values if len(value) >= _TOKEN_LENGTH), None)

    async def _view(self, story: Story, view: View, cookies: dict[str, str]) -> None:
        target = f"/i/{view.code}"
        wire = Wire("GET", target, b"", _headers(story, cookies))
        answer = await self._send(self._edges[story.edge], wire)
        if answer is None:
            return
        cookies.update(answer.cookies)
        if answer.status == 200:
            self.answers.counts["impressions"] += 1
        else:
            self.answers.failures.append(f"{target} was answered {answer.status}")

    async def _report(
        self, story: Story, action: Action, click_id: str | None, last: Report | None
    ) -> None:
        edge = self._edges[0]  # advertisers know one address only
        match action:
            case Report():
                await self._sent(edge, self._sender.report(action, click_id), "conversions")
                if action.wrong is None:
                    self.answers.traceable.append((story.name, action.advertiser_id, action.txn_id))
            case Adjust():
                await self._sent(edge, self._sender.adjustment(action), "adjustments")
            case Again() if last is not None:
                repeat = replace(last, amount=action.other_amount or last.amount)
                for _ in range(action.times):
                    await self._sent(edge, self._sender.report(repeat, click_id), "conversions")

    async def _sent(self, edge: str, wire: Wire, kind: str) -> None:
        answer = await self._send(edge, wire)
        if answer is None:
            return
        told = json.loads(answer.body)
        match told.get("status"):
            case "accepted":
                self.answers.counts[kind] += 1
            case "duplicate":
                self.answers.counts["repeats"] += 1
            case _:
                if answer.status not in (429, 503):  # of those nothing is kept
                    self.answers.counts["rejections"] += 1
                self.answers.refusals[f"{answer.status} {told.get('reason')}"] += 1

    async def _send(self, edge: str, wire: Wire) -> Answer | None:
        assert self._client is not None
        async with self._room:
            try:
                async with self._client.request(
                    wire.method,
                    URL(edge + wire.target, encoded=True),  # as it was signed
                    data=wire.body or None,
                    headers=wire.headers,
                    allow_redirects=False,
                ) as answer:
                    cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
                    location = answer.headers.get("location", "")
                    return Answer(answer.status, location, cookies, await answer.read())
            except (aiohttp.ClientError, TimeoutError) as error:
                self.answers.failures.append(f"{wire.method} {wire.target}: {error!r}")
                return None


def _headers(story: Story, cookies: dict[str, str]) -> dict[str, str]:
    """Return what a browser of the story sends."""
    return {
        "User-Agent": story.agent,
        "Accept-Language": "de-DE,de;q=0.9",
        "Referer": "https://partner.example/post",
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
    }


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_AT_ONCE),
        timeout=aiohttp.ClientTimeout(total=20),
        cookie_jar=aiohttp.DummyCookieJar(),  # each visitor brings its own cookies
    )
