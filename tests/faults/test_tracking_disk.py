"""The journal on a disk that fills, tears and comes back."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.tracking.domain.entries import Kind
from services.tracking.journal import Journal, JournalDamaged, JournalReader, journal_counts
from services.tracking.journal.inspect import inspect
from services.tracking.journal.repair import repair
from services.tracking.journal.segment import HEADER_SIZE, JournalOutdated, frame, segments
from services.tracking.journal.store import JournalBusy, Store
from services.tracking.journal.writer import Mark

SEGMENT = 4_000


async def write(folder: Path, payloads: Sequence[bytes], *, limit: int = 1 << 30) -> list[bytes]:
    """Append payloads, a group each few; return those that were kept."""
    store = Store(folder, SEGMENT)
    seen: list[Mark] = []
    journal = Journal(store, limit, seen.extend)
    running = asyncio.create_task(journal.run())
    kept: list[bytes] = []
    for start in range(0, len(payloads), 7):
        part = payloads[start : start + 7]
        places = [journal.keep(Kind.CLICK, payload, (payload, b"")) for payload in part]
        durable = await asyncio.gather(*places)
        kept += [payload for payload, found in zip(part, durable, strict=True) if found]
    journal.close()
    await running
    journal.release()
    assert [key for key, _ in seen] == kept
    return kept


def read(folder: Path) -> list[tuple[int, bytes]]:
    reader = JournalReader(folder)
    found: list[tuple[int, bytes]] = []
    while records := reader.read(1 << 20):
        found += [(record.position, record.payload) for record in records]
    reader.close()
    return found


def payloads(count: int, size: int = 50, mark: str = "a") -> list[bytes]:
    return [f"{mark}{number}".encode().ljust(size, b".") for number in range(count)]


async def test_T2_positions_have_no_gap_over_restarts_and_segments(tmp_path: Path) -> None:
    first = await write(tmp_path, payloads(200))
    second = await write(tmp_path, payloads(100, mark="b"))
    assert len(segments(tmp_path)) > 3
    assert read(tmp_path) == list(enumerate(first + second))
    assert journal_counts(tmp_path)["click"] == 300


async def test_T2_positions_and_counts_go_on_when_all_segments_were_deleted(tmp_path: Path) -> None:
    await write(tmp_path, payloads(30))
    for path in segments(tmp_path):
        path.unlink()
    await write(tmp_path, payloads(5, mark="b"))
    assert [position for position, _ in read(tmp_path)] == [30, 31, 32, 33, 34]
    assert journal_counts(tmp_path)["click"] == 35


@pytest.mark.parametrize("torn", [1, 5, 8, 9, 30, 58])
async def test_T2_a_torn_tail_is_cut_at_the_last_good_crc(tmp_path: Path, torn: int) -> None:
    kept = await write(tmp_path, payloads(10))
    last = segments(tmp_path)[-1]
    with last.open("ab") as file:
        file.write((b"\x32\x00\x00\x00" + b"garbage" * 20)[:torn])
    more = await write(tmp_path, payloads(3, mark="b"))
    assert read(tmp_path) == list(enumerate(kept + more))
    assert last.with_suffix(".cut").stat().st_size == torn


async def test_T2_a_damaged_closed_segment_stops_the_reader_and_says_where(tmp_path: Path) -> None:
    await write(tmp_path, payloads(200))
    first = segments(tmp_path)[0]
    data = bytearray(first.read_bytes())
    data[500] ^= 1
    first.write_bytes(data)
    with pytest.raises(JournalDamaged, match=first.name):
        read(tmp_path)


async def test_T2_damage_is_named_by_inspect_and_repair_loses_only_the_damaged_record(
    tmp_path: Path,
) -> None:
    kept = await write(tmp_path, payloads(200))
    paths, lost = segments(tmp_path), 7
    at = HEADER_SIZE + lost * 59
    flip(paths[0], at + 3)  # in the length
    flip(paths[1], 7)  # in the header
    report = inspect(tmp_path)
    states = [(segment.state, segment.at) for segment in report.segments]
    assert states == [("damaged", at), ("damaged", 0), *[("whole", None)] * (len(paths) - 2)]
    assert report.damaged
    data = paths[0].read_bytes()
    mended = repair(tmp_path)
    assert [(one.segment, one.at, one.bytes, one.lost) for one in mended] == [
        (paths[0].name, at, 59, 1),
        (paths[1].name, 0, HEADER_SIZE, 0),
    ]
    assert (tmp_path / mended[0].kept_in).read_bytes() == data[at : at + 59]
    assert read(tmp_path) == [one for one in enumerate(kept) if one[0] != lost]
    after = inspect(tmp_path)
    assert not after.damaged and after.segments[0].lost == 1
    assert repair(tmp_path) == []
    assert journal_counts(tmp_path)["click"] == 200, "the journal still says what was answered"


@pytest.mark.parametrize("byte", [3, HEADER_SIZE + 2, HEADER_SIZE + 70, HEADER_SIZE + 130])
async def test_T2_a_damaged_newest_segment_loses_no_record_behind_the_damage(
    tmp_path: Path, byte: int
) -> None:
    """The edge takes only bytes with nothing whole behind them for a torn tail."""
    kept = await write(tmp_path, payloads(20))
    flip(segments(tmp_path)[-1], byte)
    more = await write(tmp_path, payloads(3, mark="b"))
    found = read(tmp_path)
    lost = {(byte - HEADER_SIZE) // 59} if byte > HEADER_SIZE else set()
    assert found == [one for one in enumerate(kept + more) if one[0] not in lost]


def flip(path: Path, byte: int) -> None:
    """Flip a bit of a file."""
    data = bytearray(path.read_bytes())
    data[byte] ^= 1
    path.write_bytes(data)


async def test_T1_records_that_come_together_share_a_sync(tmp_path: Path) -> None:
    journal = Journal(Store(tmp_path, 1 << 20), 1 << 30, lambda marks: None)
    before = syncs()
    assert all(await asyncio.gather(*[journal.keep(Kind.CLICK, b"x") for _ in range(500)]))
    assert 1 <= syncs() - before <= 50
    journal.close()
    await journal.run()
    journal.release()


def syncs() -> float:
    """Return how many fdatasyncs of journals this process has seen."""
    found = REGISTRY.get_sample_value("afflux_journal_fsync_seconds_count")
    assert found is not None
    return found


async def test_a_segment_is_closed_by_its_size_and_by_its_age(tmp_path: Path) -> None:
    store = Store(tmp_path, SEGMENT)
    store.write([frame(Kind.CLICK, b"x" * 1_000)] * 4, [Kind.CLICK] * 4)
    assert not store.is_due(3_600) and len(segments(tmp_path)) == 1
    store.write([frame(Kind.CLICK, b"y")], [Kind.CLICK])
    assert len(segments(tmp_path)) == 2, "by its size"
    assert store.is_due(0)
    store.rotate()
    assert len(segments(tmp_path)) == 3, "by its age"
    assert not store.is_due(0), "an empty one stays"
    store.close()


async def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    store = Store(tmp_path, SEGMENT)
    with pytest.raises(JournalBusy):
        Store(tmp_path, SEGMENT)
    store.close()


async def test_a_journal_of_an_earlier_format_is_left_as_it_is_and_the_way_out_is_named(
    tmp_path: Path,
) -> None:
    await write(tmp_path, payloads(10))
    earlier = segments(tmp_path)[0]
    earlier.write_bytes(earlier.read_bytes().replace(b"AFXJRNL2", b"AFXJRNL1"))
    content = earlier.read_bytes()
    with pytest.raises(JournalOutdated, match=r"AFXJRNL1.*lag is 0.*start this version"):
        Store(tmp_path, SEGMENT)
    with pytest.raises(JournalOutdated):
        read(tmp_path)
    assert segments(tmp_path) == [earlier] and earlier.read_bytes() == content


async def test_T2_over_its_limit_the_journal_is_full_until_segments_go(tmp_path: Path) -> None:
    store = Store(tmp_path, SEGMENT)
    journal = Journal(store, 20_000, lambda marks: None)
    running = asyncio.create_task(journal.run())
    while not journal.full:
        await journal.keep(Kind.CLICK, b"x" * 500)
    for path in segments(tmp_path)[:-1]:
        path.unlink()
    for _ in range(100):
        await asyncio.sleep(0.05)
        if not journal.full:
            break
    assert not journal.full
    journal.close()
    await running
    journal.release()


def test_T2_a_disk_without_room_keeps_whole_records_and_says_which(tmp_path: Path) -> None:
    """In a process whose files may not grow over 3,000 bytes, then may."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.test_tracking_disk", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    refused, kept = map(int, done.stdout.splitlines()[-1].split())
    assert refused > 0 and kept > 20
    positions = [position for position, _ in read(tmp_path)]
    assert positions == list(range(kept))


def no_room(folder: Path) -> None:
    """Fill the disk, then make room; print how many were refused and kept."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, hard))
    first = asyncio.run(write(folder, payloads(100)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    second = asyncio.run(write(folder, payloads(10, mark="b")))
    assert [payload for _, payload in read(folder)] == first + second
    print(100 - len(first), len(first) + len(second))


if __name__ == "__main__":
    no_room(Path(sys.argv[1]))
