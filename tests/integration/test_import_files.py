"""`afflux import` against a real PostgreSQL and a real Kafka."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from afflux.cli.main import build
from afflux.kernel.document import Problems
from afflux.kernel.events import Click, Conversion, Event
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.pg import connect, connect_async
from afflux.runtime.producer import Publisher
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from afflux.runtime.yaml_document import load_document
from services.tracking import importer_queries
from services.tracking.importer import BATCH, Run, Source
from services.tracking.importer_file import CsvFile, RejectedFile
from services.tracking.importer_map import read_map
from services.tracking.user_agents import UserAgents
from tests.support.engines import temporary_home

SNOWPLOW = Path(__file__).parents[2] / "examples" / "snowplow"
QUICK = {"AFFLUX_CATALOG_LEAD_MS": "400"}
HEADER = ["id", "at", "user", "partner", "total"]
CLICKS = """
name: {name}
time: {{column: at, format: epoch_ms}}
identity: [id]
visitor: user
partner: {{column: partner, create: true}}
offer: {{constant: "9001"}}
create_links: true
"""
CONVERSIONS = """
name: {name}
time: {{column: at, format: epoch_ms}}
visitor: user
advertiser: {{constant: "900"}}
offer: {{constant: "9001"}}
goal: {{constant: sale}}
txn_id: id
amount: total
currency: {{constant: USD}}
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home, Stack(home, [], free_ports=True, env=QUICK) as running:
        afflux(running, "catalog", "apply", str(SNOWPLOW / "catalog.yaml"))
        yield running


@pytest.fixture
def settings(stack: Stack) -> Settings:
    return stack.settings


def afflux(stack: Stack, *args: str, ok: bool = True) -> Result:
    done = CliRunner().invoke(build([args[0]]), [*args, "--home", str(stack.home)])
    assert (done.exit_code == 0) is ok, f"{done.output} {done.exception!r}"
    return done


def imported(stack: Stack, kind: str, file: Path, map_file: Path) -> dict[str, object]:
    words = ["import", kind, str(file), "--map", str(map_file), "--json"]
    done = CliRunner().invoke(build(["import"]), [*words, "--home", str(stack.home)])
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert done.exit_code == (1 if summary["refused"] else 0)
    return summary


def events(settings: Settings, kind: type[Event]) -> list[Event]:
    async def read() -> list[Event]:
        found = []
        async for records in read_topic(settings, [kind.topic], codec=Codec.load()):
            found += [record.event for record in records]
        return found

    return asyncio.run(read())


def of_file(settings: Settings, kind: type[Event], since: int) -> list[Event]:
    return [event for event in events(settings, kind) if event.recorded_at >= since]


def write(folder: Path, name: str, rows: Sequence[Sequence[object]]) -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def map_file(folder: Path, kind: str, name: str) -> Path:
    path = folder / f"{kind}.map.yaml"
    path.write_text((CLICKS if kind == "clicks" else CONVERSIONS).format(name=name))
    return path


def rows(count: int, partners: int = 3) -> list[list[object]]:
    start = 1_700_000_000_000
    return [[f"r{n}", start + n, f"u{n % 50}", f"P{n % partners}", "1.00"] for n in range(count)]


def test_the_snowplow_sample_goes_in_once(stack: Stack) -> None:
    since = now_ms()
    for repeat in (False, True):
        for kind, count in (("clicks", 97), ("conversions", 6)):
            path = SNOWPLOW / f"{kind}.map.yaml"
            done = imported(stack, kind, SNOWPLOW / "events.csv", path)
            assert done["read"] == 98
            assert done["refused"] == 0
            assert done["repeated" if repeat else "sent"] == count
            assert done["sent" if repeat else "repeated"] == 0

    clicks = of_file(stack.settings, Click, since)
    conversions = of_file(stack.settings, Conversion, since)
    assert (len(clicks), len(conversions)) == (97, 6)
    visitors = {event.visitor_key for event in clicks if isinstance(event, Click)}
    assert all(isinstance(e, Conversion) and e.visitor_key in visitors for e in conversions)
    assert sum(e.value_minor or 0 for e in conversions if isinstance(e, Conversion)) == 50_092


def test_a_file_of_many_batches_overlapping_an_earlier_one_sends_only_what_is_new(
    stack: Stack, tmp_path: Path
) -> None:
    since = now_ms()
    total = 2 * BATCH + 500
    own = map_file(tmp_path, "clicks", "big")
    first = imported(stack, "clicks", write(tmp_path, "first.csv", rows(BATCH + 10)), own)
    assert (first["sent"], first["created"]) == (BATCH + 10, 6)

    whole = imported(stack, "clicks", write(tmp_path, "whole.csv", rows(total)), own)

    assert (whole["sent"], whole["repeated"]) == (total - BATCH - 10, BATCH + 10)
    found = of_file(stack.settings, Click, since)
    assert len(found) == len({event.event_id for event in found}) == total


def test_S1_refused_rows_stand_beside_the_input_with_their_reasons(
    stack: Stack, tmp_path: Path
) -> None:
    good = rows(5)
    wrong: list[list[object]] = [
        ["w1", "not a time", "u", "P0", "1.00"],
        ["w2", 1_700_000_000_000, "", "P0", "1.00"],
        ["w3", 1_700_000_000_000, "u", "P0"],
    ]
    path = write(tmp_path, "mixed.csv", [*good[:2], *wrong, *good[2:]])
    with path.open("ab") as file:
        file.write(b"w4,1700000000000,\xff\xfe,P0,1.00\r\n")
    done = imported(stack, "clicks", path, map_file(tmp_path, "clicks", "mixed"))
    assert (done["sent"], done["refused"]) == (5, 4)
    assert done["reasons"] == {"field_invalid": 1, "field_missing": 1, "body_invalid": 2}

    with (tmp_path / "mixed.rejected.csv").open(errors="surrogateescape", newline="") as file:
        refused = list(csv.reader(file))
    assert refused[0] == ["line", "reason", "field", "detail", *HEADER]
    assert {(row[0], row[1], row[2], row[4]) for row in refused[1:]} == {
        ("4", "field_invalid", "at", "w1"),
        ("5", "field_missing", "visitor", "w2"),
        ("6", "body_invalid", "", "w3"),
        ("10", "body_invalid", "user", "w4"),
    }


def test_I2_a_conversion_that_says_something_else_is_refused(stack: Stack, tmp_path: Path) -> None:
    own = map_file(tmp_path, "conversions", "twice")
    report = ["t1", 1_700_000_000_000, "u", "P0", "10.00"]
    again, other = [*report[:4], "10.0"], [*report[:4], "11.00"]
    done = imported(stack, "conversions", write(tmp_path, "a.csv", [report, again, other]), own)
    assert (done["sent"], done["repeated"], done["refused"]) == (1, 1, 1)
    later = imported(stack, "conversions", write(tmp_path, "b.csv", [other, again]), own)
    assert (later["sent"], later["repeated"], later["refused"]) == (0, 1, 1)
    assert later["reasons"] == {"conflicting_report": 1}


def test_what_a_crash_left_claimed_is_sent_by_the_next_run(stack: Stack, tmp_path: Path) -> None:
    class Crash(Exception):
        pass

    class CrashingPublisher(Publisher):
        async def publish(self, events: Sequence[Event]) -> None:
            await super().publish(events[:4])
            raise Crash

    settings, since = stack.settings, now_ms()
    path, own = write(tmp_path, "crash.csv", rows(10)), map_file(tmp_path, "clicks", "crash")
    found = read_map(load_document(own, Problems()), "clicks", Problems())
    assert found is not None

    async def crash() -> None:
        publisher = CrashingPublisher(settings, Codec.load(), "test")
        file = CsvFile(path, ",", "utf-8")
        rejected = RejectedFile(path, file.header)
        async with await connect_async(settings.postgres, autocommit=True) as db:
            source = Source(path, "0" * 24, found)
            run = Run(settings, source, db, publisher, rejected, UserAgents())
            await run.open()
            with pytest.raises(Crash):
                await run.take_all(file, lambda _read, _rows: None)
        await publisher.stop()

    asyncio.run(crash())
    done = imported(stack, "clicks", path, own)

    assert (done["sent"], done["repeated"]) == (10, 0)
    found_events = of_file(settings, Click, since)
    assert len({event.event_id for event in found_events}) == 10
    assert len(found_events) == 14, "the four that were acknowledged have the same ids again"
    with connect(settings.postgres) as db:
        left = db.execute("SELECT count(*) FROM imports.rows WHERE NOT sent").fetchone()
    assert left == (0,)


def test_one_import_runs_at_a_time(stack: Stack, tmp_path: Path) -> None:
    path, own = write(tmp_path, "a.csv", rows(1)), map_file(tmp_path, "clicks", "lock")

    async def while_locked() -> Result:
        async with await connect_async(stack.settings.postgres, autocommit=True) as db:
            assert await importer_queries.try_lock(db)
            args = ("import", "clicks", str(path), "--map", str(own))
            return await asyncio.to_thread(afflux, stack, *args, ok=False)

    done = asyncio.run(while_locked())
    assert "another import is running" in str(done.exception)


def test_a_wrong_map_or_header_is_refused_before_anything_is_read(
    stack: Stack, tmp_path: Path
) -> None:
    path, own = write(tmp_path, "a.csv", rows(1)), map_file(tmp_path, "clicks", "wrong")
    own.write_text(own.read_text().replace("visitor: user", "visitor: usr"))
    done = afflux(stack, "import", "clicks", str(path), "--map", str(own), ok=False)
    assert done.exit_code == 1
    assert "did you mean 'user'?" in done.stderr
    before = asyncio.run(load_catalog(stack.settings)).revision
    own.write_text("name: x\n")
    done = afflux(stack, "import", "clicks", str(path), "--map", str(own), ok=False)
    assert {"time", "visitor", "partner", "offer"} <= {
        line.split(":")[2].strip() for line in done.stderr.splitlines()
    }
    assert asyncio.run(load_catalog(stack.settings)).revision == before
