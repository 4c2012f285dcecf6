"""Clicks into journeys: our worker, Kafka Streams and Quix Streams, one after the other.

    python -m bench.attribution.journeys [--clicks N] [--visitors N] [--without NAME ...]

Same topic, same records, same core, a store in RocksDB each. Each takes the clicks from the log's
start until the offset behind the last one is committed. Ours is the whole worker: it looks whether
a click is there already, keeps its log time, follows catalogue and erasures. The rivals decode the
same Avro, build the same key and much the same row, and put it; first with their changelog (the
only copy of their state outside), then, `..._plain`, without. Ours is rebuilt from the clicks
themselves. Prints one JSON line; the goals are ratios of the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from afflux.kernel.events import Click
from afflux.runtime.codec import Codec
from afflux.runtime.paths import SCHEMAS
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from bench.attribution import kafka_streams, quix
from bench.attribution.children import measured, rates
from bench.attribution.kafka_streams import Missing
from bench.attribution.log import fill, publish
from bench.attribution.traffic import clicks, offers
from bench.edge.cores import CORES, pinned
from tests.support.engines import temporary_home

GOALS = {"streams": 1.0, "quix": 5.0}
"""How many times faster than a rival with its changelog we want to be."""
GOAL_PER_S = 120_000
PER_S = 20_000
_LIMIT_S = 240.0
_MODES = {"changelog": "", "plain": "_plain"}


def contest(home: Path, settings: Settings, number: int, names: list[str]) -> dict[str, object]:
    """Run each system once over the filled topic; a rival that cannot run says why."""
    schema = SCHEMAS / "avro" / f"{Codec.load().newest(Click).name}" / "v1.avsc"
    found: dict[str, object] = {}
    for name in names:
        try:
            command = _command(name, home, settings.kafka, schema, number)
            found[name] = rates(measured(command, _LIMIT_S))
        except Missing as why:
            found[name] = {"skipped": str(why)}
    return found


def _command(name: str, home: Path, kafka: str, schema: Path, number: int) -> list[str]:
    if name == "afflux":
        ours = [sys.executable, "-m", "bench.attribution.worker", str(home)]
        return [*ours, Click.topic, str(number)]
    rival, _, plain = name.partition("_")
    programs: Mapping[str, Callable[[], list[str]]] = {
        "streams": lambda: kafka_streams.compiled(home / "classes"),
        "quix": quix.command,
    }
    mode = plain or "changelog"
    folder = home / "rivals" / name
    folder.mkdir(parents=True)
    words = [kafka, Click.topic, str(schema), str(folder), str(number), mode, f"bench-{name}"]
    return [*programs[rival](), *words]


def verdicts(found: Mapping[str, object]) -> dict[str, object]:
    """Return the goals: ours over each rival's rate, and ours in itself."""
    ours = _rate(found, "afflux")
    told: dict[str, object] = {}
    if ours is None:
        return told
    told["per_s"] = {"goal": GOAL_PER_S, "reached": ours, "met": ours >= GOAL_PER_S}
    for rival, goal in GOALS.items():
        theirs = _rate(found, rival)
        if theirs is not None:
            ratio = round(ours / theirs, 2)
            told[f"afflux / {rival}"] = {"goal": goal, "reached": ratio, "met": ratio >= goal}
    return told


def _rate(found: Mapping[str, object], name: str) -> float | None:
    figures = found.get(name)
    rate = figures.get("per_s") if isinstance(figures, dict) else None
    return rate if isinstance(rate, float | int) else None


def main(number: int, visitors: int, names: list[str]) -> None:
    """Fill a broker of its own and run everything against it."""
    start = int(time.time() * 1000) - number * 1_000 // PER_S
    with pinned(CORES.engines), temporary_home() as home, Stack(home, [], free_ports=True) as stack:
        log = clicks(Codec.load(), number, visitors, start, PER_S)
        asyncio.run(publish(stack.settings, offers()))
        asyncio.run(fill(stack.settings, Click.topic, log))
        found = contest(home, stack.settings, number, names)
    facts = {"clicks": number, "visitors": visitors, "cores": CORES.facts()}
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({**facts, **found, "goals": verdicts(found), "load_average": load}))


if __name__ == "__main__":
    every = ["afflux", "streams", "streams_plain", "quix", "quix_plain"]
    parser = argparse.ArgumentParser(description="clicks into journeys, beside rivals")
    parser.add_argument("--clicks", type=int, default=400_000)
    parser.add_argument("--visitors", type=int, default=0, help="default: a third of the clicks")
    parser.add_argument("--without", nargs="*", default=[], choices=every)
    given = parser.parse_args()
    chosen = [name for name in every if name not in given.without]
    main(given.clicks, given.visitors or given.clicks // 3, chosen)
