"""Attribution's state on a disk that fills, is lost, or rots: the same final decisions."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from typer.testing import CliRunner

from afflux.cli.main import build
from afflux.kernel.events import Conversion, Decision, Event
from afflux.runtime.checkpoints import Checkpoints
from afflux.runtime.log import configure_logging
from afflux.runtime.paths import ROOT
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from tests.attribution_events import click, conversion
from tests.conftest import StackMaker
from tests.faults.test_attribution_crashes import (
    CATALOGUE,
    feed,
    final,
    recorded,
    replayed,
    traffic,
)
from tests.fraud_kafka import events_of
from tests.support.checkpoints import Home, flipped, own_table
from tests.support.faults import small_disk

ENV = {
    "AFFLUX_SCREEN_WAIT_MS": "1000",
    "AFFLUX_BATCH_RECORDS": "50",
    "AFFLUX_TOPIC_PARTITIONS": "2",
}


def afflux(home: Path, *words: str) -> str:
    """Run `afflux state ...` and return what it prints."""
    done = CliRunner().invoke(build(["state"]), ["state", *words, "--home", str(home)])
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done.output


async def settled(settings: Settings, events: Sequence[Event]) -> list[Decision]:
    """Wait until the topic holds the final decisions of a replay of the log; return all of it."""
    keys = {event.conversion_key for event in events if isinstance(event, Conversion)}
    async with asyncio.timeout(90):
        while True:
            decisions = await events_of(settings, Decision)
            marks = replayed(await recorded(settings))  # the screen may still be at work
            if set(marks) == keys and final(decisions) == marks:
                break
            await asyncio.sleep(0.5)
    versions: dict[tuple[bytes, int], bytes] = {}
    for one in decisions:
        key = one.conversion_key, one.version
        assert versions.setdefault(key, one.event_id) == one.event_id, "a version was used twice"
    return decisions


async def said(log: Path, words: str) -> str:
    """Wait for a line of a log."""
    async with asyncio.timeout(60):
        while True:
            text = await asyncio.to_thread(log.read_text, errors="replace")
            for line in text.splitlines():
                if words in line:
                    return line
            await asyncio.sleep(0.3)


async def test_S2_a_full_disk_stops_attribution_with_a_clear_message_and_it_resumes(
    make_stack: StackMaker, home: Path
) -> None:
    with small_disk(home / "attribution", "24m") as disk:
        stack = make_stack(["screen", "attribution"], home=home, env=ENV)
        settings = stack.settings
        events = traffic(random.Random(11))
        await feed(settings, [*CATALOGUE, *events[:200]])
        await settled(settings, events[:200])
        ballast = disk / "ballast"
        free = shutil.disk_usage(disk).free
        ballast.write_bytes(bytes(free - free % 4096))
        await feed(settings, events[200:])
        line = await said(home / "log" / "attribution.log", "disk_full")
        assert str(disk) in line and "bytes free" in line and "make room" in line
        ballast.unlink()
        await settled(settings, events)
        await asyncio.to_thread(stack.stop)


async def lose(stack: Stack, settings: Settings, damage_newest_of: int | None) -> None:
    """kill -9, and the live folders are gone; one partition's newest checkpoint has rotted."""
    await asyncio.to_thread(stack.kill, "attribution", restart=False)
    for number in (0, 1):
        shutil.rmtree(settings.home / "attribution" / str(number))
    if damage_newest_of is not None:
        folder = settings.checkpoint_root / "attribution" / str(damage_newest_of)
        checkpoints = Checkpoints(folder)
        flipped(own_table(checkpoints.path(max(checkpoints.numbers()))))
    await asyncio.to_thread(stack.start_process, "attribution")


async def test_S2_a_lost_disk_is_made_good_by_checkpoints_and_the_tail_of_the_log(
    make_stack: StackMaker, home: Path
) -> None:
    stack = make_stack(["screen", "attribution"], home=home, env=ENV)
    settings = stack.settings
    events = traffic(random.Random(12))
    part = len(events) // 5
    await feed(settings, CATALOGUE)
    for at in (0, part):
        await feed(settings, events[at : at + part])
        await settled(settings, events[: at + part])
        made = await asyncio.to_thread(afflux, home, "checkpoint", "--json")
        assert len(msgspec.json.decode(made)) == 2
    await feed(settings, events[2 * part : 3 * part])
    await settled(settings, events[: 3 * part])
    report = msgspec.json.decode(await asyncio.to_thread(afflux, home, "inspect", "--json"))
    assert [one["state"] for each in report for one in each["checkpoints"]] == ["whole"] * 4
    assert all(one["live"]["state"] == "opens" for one in report)

    await lose(stack, settings, damage_newest_of=1)
    await feed(settings, events[3 * part : 4 * part])
    before = await settled(settings, events[: 4 * part])
    log = home / "log" / "attribution.log"
    assert "00000002" in await said(log, "checkpoint_damaged")
    assert await said(log, "attribution/1/00000001")

    for number in (0, 1):
        shutil.rmtree(settings.checkpoint_root / "attribution" / str(number))
    await lose(stack, settings, damage_newest_of=None)
    await feed(settings, events[4 * part :])
    after = await settled(settings, events)
    known = {(one.conversion_key, one.version) for one in before}
    fresh = [one.version for one in after if (one.conversion_key, one.version) not in known]
    assert fresh and min(fresh) > max(one.version for one in before)


async def test_a_worker_that_runs_keeps_its_state_from_restore(
    make_stack: StackMaker, home: Path
) -> None:
    stack = make_stack(["screen", "attribution"], home=home, env=ENV)
    settings = stack.settings
    first = click(0, 0, who=1)
    events: list[Event] = [first, conversion(0, 60_000, named=first)]
    await feed(settings, [*CATALOGUE, *events])
    await settled(settings, events)
    await asyncio.to_thread(afflux, home, "checkpoint")
    words = ["state", "restore", "--partition", "0", "--home", str(home)]
    refused = await asyncio.to_thread(CliRunner().invoke, build(["state"]), words)
    assert refused.exit_code == 1 and "state_busy" in str(refused.exception)
    await asyncio.to_thread(stack.kill, "attribution", restart=False)
    assert "checkpoint 1" in await asyncio.to_thread(afflux, home, *words[1:4])
    anew = "rebuild", "--partition", "1", "--since", "2001-01-01"
    assert "the log" in await asyncio.to_thread(afflux, home, *anew)
    await asyncio.to_thread(stack.start_process, "attribution")
    second = click(1, 1_000, who=2)
    more = [second, conversion(1, 60_000, named=second)]
    await feed(settings, more)
    await settled(settings, [*events, *more])


def test_kill_9_while_a_checkpoint_is_made_leaves_none_that_is_not_whole(tmp_path: Path) -> None:
    """In a process that does nothing but write and make checkpoints, killed at seeded instants."""
    dice, home = random.Random(5), Home(tmp_path)
    for _ in range(12):
        command = [sys.executable, "-m", "tests.faults.test_attribution_state", str(tmp_path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        time.sleep(dice.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        read = {number: home.checkpoints.verify(number) for number in home.checkpoints.numbers()}
        shutil.rmtree(home.live)
        home.open()
        assert home.rocks is not None
        count = home.count()
        assert count == int(home.rocks.get(b"next") or b"0")
        assert count == (read[max(read)].about.offsets["topic"] if read else 0)
        home.close()
    assert home.checkpoints.numbers(), "some were made"


def forever(folder: Path) -> None:
    """Write and make checkpoints until killed."""
    configure_logging("checkpoints")  # standard output is for one word
    home = Home(folder)
    home.open()
    print("open", flush=True)
    assert home.rocks is not None
    upto = int(home.rocks.get(b"next") or b"0")
    while True:
        upto += 500
        home.write(upto)
        shutil.rmtree(home.live.with_name("staged"), ignore_errors=True)
        home.checkpoint()


if __name__ == "__main__":
    forever(Path(sys.argv[1]))
