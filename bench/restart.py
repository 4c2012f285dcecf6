"""How long a worker needs from its start to its first decision after it lost its disk.

A store of TOUCHES clicks, ten a visitor, is written through the state, and a checkpoint made of it.
Then the live folder is deleted, and a new process verifies every byte of the checkpoint, restores
it, opens the state and decides one conversion by its visitor's journey. No broker: the tail of the
log comes on top, at the rate of `bench attribution`.

Run: python -m bench.restart [TOUCHES]. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from afflux.kernel.events import Click, ClickFlag, Conversion, Decision
from afflux.kernel.types import Millis
from afflux.runtime.checkpointing import Keeper
from afflux.runtime.checkpoints import Checkpoints
from afflux.runtime.log import configure_logging
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from services.attribution.domain.facts import seen_of
from services.attribution.opening import Opener
from services.attribution.stage import AttributionStage
from services.attribution.state import State
from services.attribution.store import RocksTable
from services.attribution.upkeep import Upkeep, about
from tests.attribution_events import T0, catalog, click, conversion
from tests.attribution_samples import NEVER, POLICY
from tests.fraud_samples import Known

EACH = 10
"""Touches of a visitor."""
BATCH = 20_000
TARGET_S, TARGET_GIB = 15, 1


async def ends() -> Mapping[int, int]:
    """Nothing comes while the bench reads."""
    return {0: 0}


def fill(folder: Path, touches: int) -> dict[str, float]:
    """Write the store and its checkpoint; leave only the checkpoint."""
    table, started = RocksTable(folder / "live" / "0"), time.process_time()
    state = State(table)
    state.take_ownership()
    seen = seen_of(click(0, 0), 0, Millis(T0))
    for at in range(0, touches, BATCH):
        for number in range(at, min(touches, at + BATCH)):
            # visitors take turns, as they do in a log
            visitor = (number % max(1, touches // EACH)).to_bytes(16, "big")
            one = (T0 + number).to_bytes(6, "big") + number.to_bytes(10, "big")
            state.add_click(visitor, replace(seen, click_id=one, occurred_at=Millis(T0 + number)))
        state.commit({Click.topic: min(touches, at + BATCH)})
    filled = time.process_time() - started
    keeper = Keeper("bench", folder / "kept", 0, 2)
    keeper.opened(0, Millis(0))
    waited, began = time.perf_counter(), time.process_time()
    keeper.make(0, table.rocks, about(table))
    linked = time.perf_counter() - waited
    keeper.wait()
    took = time.process_time() - began
    state.release()
    shutil.rmtree(folder / "live")
    return {
        "touches": touches,
        "fill_cpu_s": round(filled, 1),
        "checkpoint_stage_waits_s": round(linked, 2),
        "checkpoint_cpu_s": round(took, 2),
        "checkpoint_mib": round(Checkpoints(folder / "kept" / "0").manifest(1).bytes / 2**20, 1),
    }


async def restart(folder: Path, started: float, touches: int) -> dict[str, float]:
    """Restore, open, decide one conversion, and say when that was."""
    opener = Opener(folder / "live", folder / "kept", POLICY.grace_ms)
    stage = AttributionStage(folder / "live", Known(catalog()), ends, POLICY, upkeep=Upkeep(opener))
    parts = [TopicPartition(topic, 0) for topic in (Click.topic, ClickFlag.topic, Conversion.topic)]
    offsets = await stage.assigned(parts)
    assert offsets[parts[0]] == touches
    opened = time.time() - started
    visitor = (touches // EACH // 2).to_bytes(16, "big")
    report = replace(conversion(1, touches, who=1), visitor_key=visitor)
    record = Record(Conversion.topic, 0, 0, report.key, b"", 0, (), report)
    outputs = [*await stage.process([record], Millis(T0)), *await stage.process([], NEVER)]
    decided = [one for one in outputs if isinstance(one, Decision)]
    assert len(decided[0].touches) == EACH, len(decided[0].touches)
    first = time.time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF)
    await stage.revoked(parts)
    return {
        "opened_s": round(opened, 2),
        "first_decision_s": round(first, 2),
        "cpu_s": round(time.process_time(), 2),
        "peak_rss_mib": round(peak.ru_maxrss / 1024, 1),
    }


def child(folder: Path, touches: int) -> dict[str, float]:
    """Run `restart` in a process of its own, from its start."""
    command = [sys.executable, "-m", "bench.restart", "--child", str(folder)]
    words = [*command, str(time.time()), str(touches)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(folder / "live")
    return found


def main() -> None:
    """Run it, or be the process that is measured."""
    configure_logging("bench")
    if "--child" in sys.argv:
        folder, started, touches = Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
        print(json.dumps(asyncio.run(restart(folder, started, touches))))
        return
    touches = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result: dict[str, object] = dict(fill(folder, touches))
        linked = child(folder, touches)
        result |= {"linked": linked, "target_s": TARGET_S, "target_gib": TARGET_GIB}
    result["met"] = linked["first_decision_s"] <= TARGET_S and (
        linked["peak_rss_mib"] <= TARGET_GIB * 1024
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
