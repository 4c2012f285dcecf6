"""Clicks and conversions of attribution a second of processor time: decide and store; no broker.

Processor time of the whole process, RocksDB's threads included, so that neighbours on the machine
count little. Run: python -m bench.attribution [CLICKS] [--profile]. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from afflux.kernel.events import Click, ClickFlag, Conversion, Event
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.columns import Columns
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from services.attribution.process import TouchEnds
from services.attribution.stage import AttributionStage
from tests.attribution_events import T0, catalog, click, conversion, screened
from tests.attribution_samples import NEVER, POLICY
from tests.fraud_samples import Known

BATCH = 2_000


def parts() -> list[TopicPartition]:
    """The three topics of one partition."""
    return [TopicPartition(topic, 0) for topic in AttributionStage.topics]


def stored_bytes(folder: Path) -> int:
    """Size of the closed store's tables."""
    return sum(file.stat().st_size for file in folder.rglob("*.sst"))


async def ends() -> Mapping[int, TouchEnds]:
    """Nothing comes while the bench reads."""
    return {}


async def play(
    stage: AttributionStage, codec: Codec, encoded: Sequence[tuple[bytes, bytes]], topic: str
) -> dict[str, float]:
    """Decode, process and commit a topic in batches; rates in all and without decoding."""
    decoding, outputs, started = 0.0, 0, time.process_time()
    for at in range(0, len(encoded), BATCH):
        batch = encoded[at : at + BATCH]
        before = time.process_time()
        if topic in stage.column_topics:
            frame = codec.decode_frame(topic, [v for _, v in batch], [k for k, _ in batch])
            assert frame is not None
            decoding += time.process_time() - before
            keys = [key for key, _ in batch]
            stage.take_columns(Columns(topic, 0, range(at, at + len(batch)), keys, frame))
            await stage.process([], Millis(T0))
            await stage.commit({TopicPartition(topic, 0): at + len(batch)}, Millis(T0))
            continue
        events = codec.decode_batch(topic, [v for _, v in batch], [k for k, _ in batch])
        decoding += time.process_time() - before
        records = [
            Record(topic, 0, at + n, key, value, 0, (), event)
            for n, ((key, value), event) in enumerate(zip(batch, events, strict=True))
            if isinstance(event, Event)
        ]
        assert len(records) == len(batch)
        outputs += len(await stage.process(records, Millis(T0)))
        await stage.commit({TopicPartition(topic, 0): at + len(batch)}, Millis(T0))
    took = time.process_time() - started
    count = len(encoded)
    return {
        f"{topic}_per_cpu_s": round(count / took),
        f"{topic}_without_decoding_per_cpu_s": round(count / (took - decoding)),
        f"{topic}_outputs": outputs,
    }


async def run(number: int) -> dict[str, float]:
    """Take `number` clicks, their watermarks, then one conversion for every ten clicks."""
    codec, dice = Codec.load(), random.Random(1)
    clicks = [click(n, 10 * n, dice.randrange(number // 3), partner=n % 50) for n in range(number)]
    named = dice.sample(clicks, number // 10)
    reports = [conversion(n, 10 * number, named=one) for n, one in enumerate(named)]
    marks = [screened(at + BATCH, 10 * at) for at in range(0, number, BATCH)]
    result: dict[str, float] = {"clicks": number}
    with tempfile.TemporaryDirectory() as folder:
        stage = AttributionStage(Path(folder), Known(catalog()), ends, POLICY)
        await stage.assigned(parts())
        for topic, events in (
            (Click.topic, clicks),
            (ClickFlag.topic, marks),
            (Conversion.topic, reports),
        ):
            encoded = [(event.key, codec.encode(event)) for event in events]
            result |= await play(stage, codec, encoded, topic)
        await stage.process([], NEVER)
        await stage.revoked(parts())
        started = time.process_time()
        await stage.assigned(parts())
        result["reopen_cpu_s"] = round(time.process_time() - started, 2)
        await stage.revoked(parts())
        result["stored_bytes_per_click"] = round(stored_bytes(Path(folder)) / number, 1)
    return result


def main(arguments: Sequence[str]) -> None:
    """Run it, with a profile if asked."""
    numbers = [int(word) for word in arguments if word.isdigit()]
    number = numbers[0] if numbers else 200_000
    profile = cProfile.Profile()
    if "--profile" in arguments:
        profile.enable()
    print(json.dumps(asyncio.run(run(number))))
    if "--profile" in arguments:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main(sys.argv[1:])
