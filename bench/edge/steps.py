"""Where the CPU time of one click goes, in microseconds.

    python -m bench.edge.steps [--seconds 3]

The parts are the edge's own functions, timed alone with browser-like clicks; the whole, and what
the server takes without them, are the CPU time a request of the edge and of an empty Granian
application under the same load. What is left of the difference is what no function shows alone:
answering from the journal's thread, handing over the interpreter's lock, cold caches; less the task
that Granian makes for each request of the empty application and the edge does without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import ClickOutcome
from afflux.kernel.ids import ulid
from afflux.kernel.keys import click_key
from afflux.kernel.token import Signer
from afflux.kernel.types import Millis
from bench.edge import wrk
from bench.edge.catalogue import SECRET, changes
from bench.edge.cores import CORES, pinned
from bench.edge.servers import serving
from bench.edge.stats import digits, per_request
from bench.edge.traffic import request
from services.tracking.click_path import ClickPath, Headers, Visit
from services.tracking.click_records import Way, click_record
from services.tracking.domain.addresses import Proxies
from services.tracking.domain.agents import is_preview_agent
from services.tracking.domain.clicks import read_visitor
from services.tracking.domain.entries import Kind
from services.tracking.domain.extras import read_extras
from services.tracking.domain.opt_out import OptOut
from services.tracking.domain.route import Route
from services.tracking.domain.routes import Routes, routes_now
from services.tracking.journal import Journal
from services.tracking.journal.store import Store
from services.tracking.user_agents import UserAgents
from services.tracking.visitors import Visitors

SERVERS = ("empty_rsgi", "empty_reading", "edge")
POOL = 2_000
REPEATS = 15
_NOW = Millis(1_790_000_000_000)
_GROUP = 100
_GROUP_S = 0.005
_GROUPS = 300


def visits() -> list[Visit]:
    """Return the clicks of the load as the edge sees them, headers in a dictionary."""
    out: list[Visit] = []
    for number in range(POOL):
        first, *lines = request(number).decode().rstrip().split("\r\n")
        path, _, query = first.split(" ")[1].partition("?")
        headers = dict(line.split(": ", 1) for line in lines)
        client = f"127.0.0.1:{20_000 + number}"
        code = path.removeprefix("/c/")
        out.append(Visit(code, query, cast(Headers, headers), client, False, _NOW))
    return out


def microseconds(step: Callable[[int], object]) -> float:
    """Return the CPU time of one call, the best of some repeats: the others were disturbed."""
    best = float("inf")
    for _ in range(REPEATS):
        started = time.process_time_ns()
        for number in range(POOL):
            step(number)
        best = min(best, (time.process_time_ns() - started) / POOL / 1000)
    return best


def routes() -> Routes:
    """Return the routes of the benchmarks' catalogue."""
    catalog = Catalog()
    for change in changes():
        catalog.apply(change)
    return routes_now(catalog, _NOW)


def recording(clicks: Sequence[Visit], found: Sequence[Route]) -> Callable[[int], bytes]:
    """Return what makes the record of a click that was read and decided before."""
    visitors = Visitors(SECRET.encode(), UserAgents(), OptOut.GPC, Proxies())
    seen = [visitors.see(click) for click in clicks]
    extras = [read_extras(click.query) for click in clicks]
    click_id = ulid(_NOW, bytes(10))
    ways = [
        Way(route, route.target(who.key), ClickOutcome.REDIRECTED)
        for route, who in zip(found, seen, strict=True)
    ]

    def record(at: int) -> bytes:
        agent = seen[at].browser.block
        return click_record(clicks[at], ways[at], seen[at], agent, extras[at], click_id, "EUR")

    return record


def parts() -> dict[str, float]:
    """Return the microseconds of each part of deciding a click, and of all of it."""
    path = ClickPath(SECRET.encode(), 1, secure_cookie=False)
    path.routes = routes()
    clicks = visits()
    cookies = [click.headers.get("cookie") for click in clicks]
    agents = [click.headers.get("user-agent") or "" for click in clicks]
    signer = Signer(1, click_key(SECRET.encode(), 1))
    found = [path.routes.by_code[click.code] for click in clicks]
    values = [read_extras(click.query).values for click in clicks]
    click_id, visitor = ulid(_NOW, bytes(10)), bytes(16)
    targets = [route.target(visitor) for route in found]
    text = signer.sign(click_id, visitor, found[0].tail)

    def nothing(number: int) -> None:
        return None

    empty = microseconds(nothing)
    steps: dict[str, Callable[[int], object]] = {
        "parse: cookie": lambda number: read_visitor(cookies[number]),
        "parse: query": lambda number: read_extras(clicks[number].query),
        "parse: preview by user agent": lambda number: is_preview_agent(agents[number]),
        "token: sign the click id": lambda number: signer.sign(
            click_id, visitor, found[number].tail
        ),
        "landing: expand the macros": lambda number: targets[number].expand(text, values[number]),
        "encode: the journal's record": recording(clicks, found),
        "decide": lambda number: path.answer(clicks[number]),
    }
    return {name: max(0.0, microseconds(step) - empty) for name, step in steps.items()}


async def journal_microseconds(payloads: Sequence[bytes]) -> float:
    """Return the CPU time of journaling a record, fdatasync included, 100 in a group."""
    with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder:
        journal = Journal(Store(Path(folder), 64 << 20), 1 << 40, lambda marks: None)
        started = time.process_time()
        for _ in range(_GROUPS):
            for payload in payloads[:_GROUP]:
                journal.append(int(Kind.CLICK), payload, _done, _done)
            await asyncio.sleep(_GROUP_S)
        used = time.process_time() - started
        journal.close()
        await journal.run()
        journal.release()
    return used / (_GROUPS * _GROUP) * 1e6


def _done() -> None:
    return None


def under_load(name: str, seconds: int) -> dict[str, float]:
    """Return the CPU microseconds a request of a server that has all it can do."""
    with serving(name) as server:
        wrk.press(server, 1, 256)
        load = wrk.press(server, seconds, 256)
    return per_request(load.server_cpu_s, load.answered)


def table(
    steps: dict[str, float], journal: float, loaded: dict[str, float]
) -> list[dict[str, object]]:
    """Return the rows: what a click costs, part by part, and which share of it that is."""
    decide, edge, empty = steps.pop("decide"), loaded["edge"], loaded["empty_rsgi"]
    reading = loaded["empty_reading"] - empty
    rows = [
        ("server: what an empty application takes", empty),
        ("parse: take the request out of Granian", reading),
        *steps.items(),
        ("decide: the rest (ids, address, referrer, the entry)", decide - sum(steps.values())),
        ("wait: frame, write and fdatasync in groups of 100", journal),
        ("answer and whatever no function shows alone", edge - empty - reading - decide - journal),
        ("a click on the edge", edge),
    ]
    return [{"step": name, "us": digits(us, 3), "share": round(us / edge, 3)} for name, us in rows]


def main() -> None:
    """Measure and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=int, default=3)
    args = parser.parse_args()
    if reason := wrk.missing():
        print(json.dumps({"left_out": {"all": reason}}))
        return
    loaded = {name: under_load(name, args.seconds) for name in SERVERS}
    with pinned(CORES.server):
        steps = parts()
        path = ClickPath(SECRET.encode(), 1, secure_cookie=False)
        path.routes = routes()
        payloads = [path.answer(click).payload or b"" for click in visits()[:_GROUP]]
        journal = asyncio.run(journal_microseconds(payloads))
    rows = table(steps, journal, {name: sum(us.values()) for name, us in loaded.items()})
    result = {
        "rows": rows,
        "user_and_system_us": loaded,
        "record_bytes": round(sum(map(len, payloads)) / len(payloads)),
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
