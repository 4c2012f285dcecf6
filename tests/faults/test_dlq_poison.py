"""Poison of every kind in the middle of batches, and the command line for dead letters."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from afflux.cli.dlq import app
from afflux.kernel.events import (
    Assessment,
    ClickCount,
    ClickFlag,
    DeadLetterRecord,
    Event,
    FlagAction,
)
from afflux.kernel.reasons import REASONS
from afflux.runtime.codec import Codec
from afflux.runtime.dlq import REPLAY_OF
from afflux.runtime.log_reader import end_offsets
from afflux.runtime.producer import Raw
from afflux.runtime.refused import Refused
from afflux.runtime.supervise.stack import Stack
from tests.fraud_kafka import eventually, publish, publish_raw, raw_of, raws_of
from tests.fraud_samples import GOOGLEBOT, change, click, decision, offer
from tests.support.engines import temporary_home

CLICKS, DECISIONS = "tracking.clicks", "attribution.decisions"
PARTITION = 1
GOOD = 300


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    """Both fraud processes, with one offer."""
    with temporary_home() as home, Stack(home, [], free_ports=True) as running:
        await publish(running.settings, [change(offer())])
        for service in ("screen", "assess"):
            await asyncio.to_thread(running.add, service)
        yield running


def poisons(victim: Event, foreign: Event) -> dict[str, tuple[Raw, str]]:
    """Every kind of poison made from one good event: (record, expected reason)."""
    good, other = raw_of(victim), raw_of(foreign)
    value = good.value or b""
    middle = len(value) // 2

    def with_value(data: bytes | None) -> Raw:
        return Raw(good.topic, good.key, data)

    return {
        "damaged": (
            with_value(value[:middle] + b"\xff" * 30 + value[middle + 30 :]),
            "value_damaged",
        ),
        "cut": (with_value(value[:middle]), "value_damaged"),
        "cut by one byte": (with_value(value[:-1]), "value_damaged"),
        "lengthened": (with_value(value + b"\x00"), "value_damaged"),
        "unknown schema": (with_value(b"\x00\x00\x00\x7f\xff" + value[5:]), "schema_unknown"),
        "schema of another topic": (with_value(other.value), "schema_foreign"),
        "no frame": (with_value(b"{}"), "frame_damaged"),
        "wrong key": (Raw(good.topic, b"\x07" * 16, value), "key_mismatch"),
        "no key": (Raw(good.topic, None, value), "key_mismatch"),
        "empty": (with_value(b""), "frame_damaged"),
        "no value": (with_value(None), "value_empty"),
    }


def mixed(good: Sequence[Event], bad: Sequence[Raw]) -> list[Raw]:
    """Good records of one partition with the bad ones spread among them, the last at the end."""
    records = [raw_of(event) for event in good]
    step = len(records) // len(bad)
    for place, raw in enumerate(bad, start=1):
        records.insert(place * (step + 1) - 1, raw)
    assert records[-1] is bad[-1] or len(good) % len(bad)
    return [Raw(raw.topic, raw.key, raw.value, PARTITION, raw.headers) for raw in records]


def check_letters(
    letters: Sequence[DeadLetterRecord], topic: str, expected: dict[str, tuple[Raw, str]]
) -> None:
    """Each poison is a dead letter with its bytes and key as they were, and nothing else is."""
    found = [letter for letter in letters if letter.origin_topic == topic]
    assert len(found) == len(expected)
    by_content = {(letter.origin_key, letter.origin_value): letter for letter in found}
    for kind, (raw, reason) in expected.items():
        letter = by_content[raw.key, raw.value]
        assert letter.reason == reason, kind
        assert letter.origin_partition == PARTITION
        assert letter.error


async def test_S1_poison_among_clicks_goes_to_the_dead_letters_and_the_stream_goes_on(
    stack: Stack,
):
    bad = poisons(click(10**9, visitor=9), decision())
    good = [
        click(n, at=60_000 * n, visitor=n, user_agent=GOOGLEBOT if n % 3 == 0 else "Mozilla/5.0")
        for n in range(GOOD)
    ]
    await publish_raw(stack.settings, mixed(good, [raw for raw, _ in bad.values()]))
    end = next(
        offset
        for part, offset in (await end_offsets(stack.settings, [CLICKS])).items()
        if part.partition == PARTITION
    )

    flags = await eventually(
        stack.settings,
        ClickFlag,
        lambda found: any(
            f.action is FlagAction.SCREENED and f.source_offset == end for f in found
        ),
    )
    bots = {each.click_id for each in good if each.user_agent == GOOGLEBOT}
    assert {f.click_id for f in flags if f.action is FlagAction.INVALID} == bots

    def judged(counts: Sequence[ClickCount]) -> int:
        return sum(c.valid + sum(r.count for r in c.invalid) for c in counts)

    counts = await eventually(stack.settings, ClickCount, lambda found: judged(found) >= GOOD)
    assert judged(counts) == GOOD
    letters = await eventually(
        stack.settings, DeadLetterRecord, lambda found: len(found) >= len(bad)
    )
    check_letters(letters, CLICKS, bad)
    assert {letter.stage for letter in letters} == {"screen"}


async def test_S1_poison_among_decisions_goes_to_the_dead_letters_and_no_other_record_changes(
    stack: Stack,
):
    bad = poisons(decision(9_999), click(10**9 + 1))
    good = [decision(version) for version in range(1, GOOD + 1)]
    await publish_raw(stack.settings, mixed(good, [raw for raw, _ in bad.values()]))
    found = await eventually(stack.settings, Assessment, lambda found: len(found) >= GOOD)
    assert [assessment.decision for assessment in found] == good
    letters = await eventually(
        stack.settings,
        DeadLetterRecord,
        lambda found: sum(letter.stage == "assess" for letter in found) >= len(bad),
    )
    check_letters(letters, DECISIONS, bad)


async def afflux(stack: Stack, *args: str, code: int = 0) -> str:
    """Run a command in a thread of its own; return what it printed."""
    line = [*args, "--home", str(stack.home)]
    done = await asyncio.to_thread(CliRunner().invoke, app, line)
    if isinstance(done.exception, Refused):
        assert code == 1, done.exception
        return str(done.exception)
    assert done.exit_code == code, done.output
    return done.output


async def listed(stack: Stack, *args: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await afflux(stack, "list", "--json", *args))
    return found


async def test_dlq_list_and_show_tell_what_there_is_and_why(stack: Stack):
    everything = await listed(stack)
    assert {letter["topic"] for letter in everything} == {CLICKS, DECISIONS}
    cut = await listed(stack, "--topic", CLICKS, "--reason", "value_damaged")
    assert {(letter["topic"], letter["reason"]) for letter in cut} == {(CLICKS, "value_damaged")}
    letter = cut[1]

    shown = json.loads(await afflux(stack, "show", letter["id"][:12], "--json"))
    assert shown["sentence"]["en"] == REASONS["value_damaged"].en
    whole = Codec.load().encode(click(10**9, visitor=9))
    assert b64decode(shown["value"]) == whole[: len(whole) // 2]
    assert shown["schema"] == "click/v1"
    assert shown["decoded"]["link_id"] == 3
    assert shown["stopped_at"]

    text = await afflux(stack, "show", letter["id"])
    assert f"{CLICKS}/{PARTITION}@{letter['offset']}" in text
    assert "00000000  00 00 00 00 01" in text
    assert letter["id"] in await afflux(stack, "list", "--reason", "value_damaged")


async def test_dlq_replay_puts_the_fixed_record_where_it_came_from(stack: Stack, tmp_path: Path):
    fixed = decision(5_000)
    file = tmp_path / "fixed.bin"
    file.write_bytes(Codec.load().encode(fixed))
    (letter,) = await listed(stack, "--topic", DECISIONS, "--reason", "schema_unknown")

    await afflux(stack, "replay", letter["id"], "--file", str(file))

    (back,) = [raw for raw in await raws_of(stack.settings, DECISIONS) if raw.headers]
    assert back.headers == ((REPLAY_OF, letter["id"].encode()),)
    assert (back.partition, back.key, back.value) == (PARTITION, fixed.key, file.read_bytes())
    found = await eventually(
        stack.settings, Assessment, lambda found: any(a.version == 5_000 for a in found)
    )
    assert found[-1].decision == fixed
    marked = await listed(stack, "--topic", DECISIONS, "--replays")
    assert [one["id"] for one in marked if one["replayed"]] == [letter["id"]]


async def test_dlq_replay_of_unmended_bytes_is_a_dead_letter_again_that_names_the_first(
    stack: Stack,
):
    (letter,) = await listed(stack, "--topic", CLICKS, "--reason", "schema_foreign")
    await afflux(stack, "replay", "--all", "--topic", CLICKS, "--reason", "schema_foreign")
    letters = await eventually(
        stack.settings, DeadLetterRecord, lambda found: any(one.headers for one in found)
    )
    first, again = [
        one for one in letters if one.reason == "schema_foreign" and one.origin_topic == CLICKS
    ]
    assert (again.origin_key, again.origin_value) == (first.origin_key, first.origin_value)
    newest = (await listed(stack, "--topic", CLICKS, "--reason", "schema_foreign"))[-1]
    assert newest["replay_of"] == letter["id"]


async def test_dlq_says_what_it_cannot_do(stack: Stack):
    assert "no dead letter" in await afflux(stack, "show", "ffffffffffff", code=1)
    assert "too short" in await afflux(stack, "replay", "ff", code=1)
    assert "either IDs or --all" in await afflux(stack, "replay", code=2)
    assert "no reason code" in await afflux(stack, "list", "--reason", "nonsense", code=2)
