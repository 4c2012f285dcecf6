"""Durable clicks a second on one core, beside rivals in the same run on the same core.

    python -m bench.edge.throughput [--rounds 3] [--seconds 4] [--connections 256] [--only NAME,..]

| line | |
|---|---|
| edge | `afflux worker edge`: each answer after fdatasync; no shipper runs |
| empty_rsgi | an empty Granian RSGI application in an event loop like the edge's |
| empty_command | the same application under the stock `granian` command |
| empty_asgi | an empty Granian ASGI application |
| aiohttp_wait | an aiohttp edge that awaits `send_and_wait` for each click |
| aiohttp_fire | an aiohttp edge that hands the click to the producer and answers |
| nginx | `return 302` with a buffered access log: the upper line |

Each server starts anew in each round and the rounds are interleaved; wrk has the other core, which
the broker shares where there are only two (it is idle except under the aiohttp edges).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from afflux.kernel.events import Click
from afflux.runtime.log_reader import end_offsets
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from bench.edge import wrk
from bench.edge.cores import CORES, disk_facts, pin_process
from bench.edge.servers import missing, serving
from bench.edge.stats import per_request, ratios, spread
from tests.support.engines import temporary_home

LINES = (
    "edge",
    "empty_rsgi",
    "empty_command",
    "empty_asgi",
    "aiohttp_wait",
    "aiohttp_fire",
    "nginx",
)
GOALS = {"empty_rsgi": 0.55, "aiohttp_wait": 3.0, "aiohttp_fire": 1.0}
NEED_KAFKA = ("aiohttp_wait", "aiohttp_fire")
WARM_UP_S = 1
BROKER_WARM_UP_S = 8
OTHERS = 0.3
"""Where the server's core gave more than this share to others, no goal is judged."""
Measured = dict[str, list[wrk.Load]]


@contextmanager
def broker(wanted: bool) -> Iterator[Settings | str]:
    """Run Kafka on its core, warmed up; yield where it is, or why there is none."""
    if not wanted:
        yield "not asked for"
        return
    with temporary_home() as home:
        stack = Stack(home, [], free_ports=True)
        try:
            stack.start()
        except Refused as error:
            yield f"Kafka does not start: {error}"
            return
        try:
            for name in stack.names():
                pin_process(stack.pid(name), CORES.engines)
            with serving("aiohttp_wait", stack.settings.kafka, Click.topic) as server:
                wrk.press(server, BROKER_WARM_UP_S, 64)  # Java compiles while it runs
            yield stack.settings
        finally:
            stack.stop()


def measure(name: str, kafka: str, args: argparse.Namespace) -> tuple[wrk.Load, int]:
    """Return the load of one line in one round, and the clicks its journal holds (else 0)."""
    with serving(name, kafka, Click.topic) as server:
        warm = wrk.press(server, WARM_UP_S, args.connections)
        load = wrk.press(server, args.seconds, args.connections)
        if name != "edge":
            return load, 0
        return load, server.journaled_clicks(warm.answered + load.answered)


def run_rounds(
    names: Sequence[str], kafka: Settings | str, args: argparse.Namespace
) -> tuple[Measured, dict[str, int]]:
    """Measure every line in every round; also count what the journals and the topic hold."""
    measured: Measured = {name: [] for name in names}
    kept = {"journaled": 0, "in_kafka": 0}
    for _ in range(args.rounds):
        for name in names:
            address = kafka.kafka if isinstance(kafka, Settings) else ""
            load, journaled = measure(name, address, args)
            measured[name].append(load)
            kept["journaled"] += journaled
    if isinstance(kafka, Settings):
        kept["in_kafka"] = sum(asyncio.run(end_offsets(kafka, [Click.topic])).values())
    return measured, kept


def summary(loads: Sequence[wrk.Load]) -> dict[str, object]:
    """Return what is worth reading of one line's rounds."""
    cpu = {kind: sum(load.server_cpu_s[kind] for load in loads) for kind in ("user", "system")}
    return {
        "per_second": spread([load.per_second for load in loads]),
        "cpu_us_a_request": per_request(cpu, sum(load.answered for load in loads)),
        "p50_ms": spread([load.p50_ms for load in loads])["median"],
        "p99_ms": spread([load.p99_ms for load in loads])["median"],
        "answered": sum(load.answered for load in loads),
        "bad": sum(load.bad for load in loads),
        "server_core_busy": round(sum(cpu.values()) / sum(load.seconds for load in loads), 2),
        "others_on_its_core": spread([load.others for load in loads])["high"],
        "load_core_busy": spread([load.load_core for load in loads])["median"],
    }


def compare(measured: Mapping[str, Sequence[wrk.Load]]) -> dict[str, object]:
    """Return the edge's ratio to each other line; where there is a goal, whether it is met (None:
    others used the core too much to tell).

    `by_cpu` compares CPU time a request: where others use the core too, a server of several threads
    gets more of it than one of a single thread, and the rates flatter it.
    """
    ours = measured.get("edge", ())
    out: dict[str, object] = {}
    for name, loads in measured.items():
        if ours and loads and name != "edge":
            ratio = ratios(*([load.per_second for load in line] for line in (ours, loads)))
            ratio["by_cpu"] = ratios(*([1 / load.cpu_us for load in x] for x in (ours, loads)))[
                "median"
            ]
            goal = GOALS.get(name)
            quiet = all(load.others < OTHERS for load in (*ours, *loads))
            met = ratio["median"] >= goal if goal is not None and quiet else None
            out[f"edge / {name}"] = {
                **ratio,
                **({} if goal is None else {"goal": goal, "met": met}),
            }
    return out


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--only", default=",".join(LINES), help="names of lines, comma separated")
    args = parser.parse_args()
    args.lines = [name for name in LINES if name in args.only.split(",")]
    return args


def main() -> None:
    """Run the rounds and print the result."""
    args = arguments()
    if reason := wrk.missing():
        print(json.dumps({"left_out": {"all": reason}}))
        return
    left_out = {name: reason for name in args.lines if (reason := missing(name))}
    with broker(any(name in NEED_KAFKA for name in args.lines)) as kafka:
        if isinstance(kafka, str):
            left_out |= {name: kafka for name in args.lines if name in NEED_KAFKA}
        names = [name for name in args.lines if name not in left_out]
        with temporary_home() as home:
            disk = disk_facts(home)
        measured, kept = run_rounds(names, kafka, args)
    result = {
        "ratios": compare(measured),
        "lines": {name: summary(loads) for name, loads in measured.items()},
        "left_out": left_out,
        "kept": kept,
        "rounds": args.rounds,
        "seconds_a_round": args.seconds,
        "connections": args.connections,
        "cores": CORES.facts(),
        "disk": disk,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
