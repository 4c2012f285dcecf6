"""Journal records/s that one core ships to Kafka, beside fastavro and `AIOKafkaProducer.send()`.

Run: python -m bench.shipper [CLICKS]. Prints one JSON line. The journal is filled first: clicks of
many visitors with 200 user agents, some hundred links and pages, one partner's click id each. Both
ways read it, encode every record and wait until the broker has acked all; each runs in a process of
its own on the last core, the broker on the others. User agents are looked up before the clock
starts. `per_cpu_s` is what a core would ship if it did nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaProducer

from afflux.kernel.events import ClickOutcome
from afflux.kernel.ids import ulid
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from services.tracking.domain.entries import ClickEntry, Kind, decode, encode, to_event
from services.tracking.journal import JournalReader
from services.tracking.journal.segment import frame
from services.tracking.journal.store import Store
from services.tracking.shipper import Shipper
from services.tracking.user_agents import UserAgents
from tests.support.engines import temporary_home

_CORE = max(os.sched_getaffinity(0))
_GROUP = 1_000
_T0 = 1_790_000_000_000
_IN_FLIGHT = 5_000
SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 14; Pixel 8",
    "Linux; Android 13; SM-S918B",
)
AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) "
    f"Chrome/{version}.0.0.0 Safari/537.36"
    for system in SYSTEMS
    for version in range(90, 130)
]


def click(rng: random.Random, number: int) -> ClickEntry:
    """Return one click; ten come in each millisecond."""
    at = Millis(_T0 + number // 10)
    link = rng.randrange(300)
    return ClickEntry(
        ulid(at, rng.randbytes(10)),
        rng.randbytes(16),
        rng.random() < 0.7,
        link,
        link % 40,
        link % 60,
        link % 12,
        None,
        link % 3,
        at,
        f"{rng.randrange(11, 190)}.{rng.randrange(100)}.7.0/24",
        rng.randbytes(16),
        rng.choice(("DE", "FR", "US", "BR", "PL")),
        3_000 + rng.randrange(200),
        rng.choice(AGENTS),
        None,
        rng.choice(("de", "en", "fr", "pt-BR")),
        f"blog-{rng.randrange(100)}.example",
        f"/post/{rng.randrange(5)}",
        rng.choice(("blog", "mail", None)),
        [f"banner-{rng.randrange(50)}", "", "summer"][: rng.randrange(4)],
        rng.randbytes(10).hex(),
        None,
        None,
        "cross-site,navigate,document",
        ClickOutcome.REDIRECTED,
        None,
    )


def fill(folder: Path, number: int) -> None:
    """Write clicks into a journal, as an edge would."""
    store = Store(folder, 64 << 20)
    rng = random.Random(1)
    for start in range(0, number, _GROUP):
        entries = (click(rng, at) for at in range(start, min(start + _GROUP, number)))
        frames = [frame(Kind.CLICK, encode(entry)) for entry in entries]
        store.write(frames, [Kind.CLICK] * len(frames))
    store.close()


async def ours(settings: Settings, agents: UserAgents) -> tuple[float, float]:
    """Return wall and CPU seconds of a shipper until the journal is shipped."""
    shipper, stop = Shipper(settings, Codec.load(), agents), asyncio.Event()
    running = asyncio.create_task(shipper.run(stop))
    while not shipper.status()["connected"]:  # noqa: ASYNC110 - it is a status, not an event
        await asyncio.sleep(0.001)
    wall, cpu = time.perf_counter(), time.process_time()
    while shipper.status()["lag"]:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    took = time.perf_counter() - wall, time.process_time() - cpu
    stop.set()
    await running
    return took


async def rival(settings: Settings, agents: UserAgents) -> tuple[float, float]:
    """Return wall and CPU seconds of the plain way: one `send` a record, all acks awaited."""
    codec, reader = Codec.load(), JournalReader(settings.journal)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=512 << 10,
        linger_ms=5,
    )
    await producer.start()
    wall, cpu = time.perf_counter(), time.process_time()
    sent: list[asyncio.Future[object]] = []
    while records := reader.read(2 << 20):
        for record in records:
            entry = decode(record.payload)
            assert isinstance(entry, ClickEntry)
            agent = agents.classify(entry.user_agent)
            event = to_event(entry, record.position, "rival", 0, agent)
            value = codec.encode(event)
            sent.append(
                await producer.send(
                    event.topic, value, key=event.key, timestamp_ms=event.recorded_at
                )
            )
            if len(sent) >= _IN_FLIGHT:
                await asyncio.gather(*sent)
                sent.clear()
    await asyncio.gather(*sent)
    took = time.perf_counter() - wall, time.process_time() - cpu
    await producer.stop()
    return took


def child(way: str, home: str) -> None:
    """Ship the journal of a home in this process, on one core; print the seconds."""
    os.sched_setaffinity(0, {_CORE})
    settings, agents = load_home(home), UserAgents()
    for agent in AGENTS:
        agents.classify(agent)
    run = {"afflux": ours, "fastavro_send": rival}[way]
    print(json.dumps(uvloop.run(run(settings, agents))))


def measure(way: str, home: Path, number: int) -> dict[str, float]:
    """Run one way in a process of its own."""
    command = [sys.executable, "-m", "bench.shipper", way, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return {
        "per_s": round(number / wall),
        "per_cpu_s": round(number / cpu),
        "us_per_record": round(cpu / number * 1e6, 2),
    }


def main(number: int) -> None:
    """Ship the same journal both ways against a broker of their own."""
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {_CORE} or {_CORE})
    with temporary_home() as home, Stack(home, [], free_ports=True) as stack:
        journal, spare = stack.settings.journal, home / "spare"
        fill(journal, number)
        shutil.copytree(journal, spare)
        results: dict[str, object] = {"records": number}
        results["afflux"] = measure("afflux", home, number)
        shutil.rmtree(journal)
        spare.rename(journal)
        results["fastavro_send"] = measure("fastavro_send", home, number)
        results["load_average"] = round(os.getloadavg()[0], 1)
        print(json.dumps(results))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        child(*sys.argv[1:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
