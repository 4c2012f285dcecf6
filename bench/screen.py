"""Clicks/s of the screen on one core: decode, judge, store; no broker.

Run: python -m bench.screen [CLICKS]. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from afflux.kernel.events import Click
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from services.fraud.screen_stage import ScreenStage
from tests.fraud_samples import (
    CHROME,
    GOOGLEBOT,
    Known,
    catalog,
    change,
    click,
    nothing_counted,
    offer,
)

BATCH = 2_000
PART = TopicPartition(Click.topic, 0)


def values(codec: Codec, number: int, seed: int = 1) -> list[tuple[bytes, bytes]]:
    """Encoded clicks of visitors that come back; 3 in 100 are bots, 1 in 10 a quick repeat."""
    rng = random.Random(seed)
    agents = [CHROME.replace("126", str(v)) for v in range(60, 130)]
    made = []
    for n in range(number):
        agent = GOOGLEBOT if rng.random() < 0.03 else rng.choice(agents)
        at = 200 * n if rng.random() < 0.9 else 200 * max(0, n - 20)
        one = click(n, at, rng.randint(1, number // 3), rng.randint(1, 50), agent)
        made.append((one.key, codec.encode(one)))
    return made


def stored_bytes(folder: Path) -> int:
    """Size of the closed store's tables."""
    return sum(file.stat().st_size for file in folder.rglob("*.sst"))


async def run(number: int) -> dict[str, float | int]:
    """Screen `number` clicks and return what it took."""
    codec = Codec.load()
    log = values(codec, number)
    with tempfile.TemporaryDirectory() as folder:
        stage = ScreenStage(Path(folder), Known(catalog(change(offer()))), nothing_counted)
        await stage.assigned([PART])
        outputs, decoding, started = 0, 0.0, time.perf_counter()
        for at in range(0, number, BATCH):
            batch = log[at : at + BATCH]
            before = time.perf_counter()
            events = codec.decode_batch(
                Click.topic, [value for _, value in batch], [key for key, _ in batch]
            )
            decoding += time.perf_counter() - before
            records = [
                Record(Click.topic, 0, at + n, key, value, 0, (), event)
                for n, ((key, value), event) in enumerate(zip(batch, events, strict=True))
                if isinstance(event, Click)
            ]
            assert len(records) == len(batch)
            outputs += len(await stage.process(records, Millis(0)))
            await stage.commit({PART: at + len(batch)}, Millis(0))
        took = time.perf_counter() - started
        await stage.revoked([PART])
        size = stored_bytes(Path(folder))
    return {
        "clicks": number,
        "clicks_per_s": round(number / took),
        "without_decoding_per_s": round(number / (took - decoding)),
        "outputs": outputs,
        "stored_bytes_per_click": round(size / number, 1),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000))))
