"""Batches of the sink: bounds, days, and repetitions (law K2)."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import cast

from aiokafka import ConsumerRecord, TopicPartition

from afflux.runtime.sink_buffer import Batch, Buffer, Limits, Planned

PART = TopicPartition("tracking.clicks", 0)
OTHER = TopicPartition("tracking.clicks", 1)
DAY_MS = 86_400_000


def records(*offsets: int, size: int = 10, at: int = 0) -> list[ConsumerRecord]:
    made = [SimpleNamespace(offset=o, value=b"x" * size, timestamp=at + o) for o in offsets]
    return cast(list[ConsumerRecord], made)


def buffer(limits: Limits, planned: Planned | None = None, start: int = 0) -> Buffer:
    made = Buffer(limits)
    made.take(PART, start, planned)
    return made


def test_K2_bounds_reach_from_the_last_batch_to_behind_the_last_record() -> None:
    held = buffer(Limits(records=3))
    held.add(PART, records(0, 1, 4, 5))
    (first,) = held.ready(0)
    assert (first.start, first.end, len(first.records)) == (0, 5, 3)
    held.stored([first])
    held.add(PART, records(6, 7))
    (second,) = held.ready(0)
    assert (second.start, second.end) == (5, 8)


def test_K2_the_token_names_the_bounds_and_the_day_is_the_first_record_s() -> None:
    held = buffer(Limits(records=2))
    held.add(PART, records(7, 8, at=3 * DAY_MS - 8))
    (batch,) = held.ready(0)
    assert batch.plan == Planned(9, "tracking.clicks/0/0-9", date(1970, 1, 3))


def test_K2_an_impossible_timestamp_still_gives_a_day_that_clickhouse_has() -> None:
    for at, day in ((-(10**15), date(1970, 1, 1)), (10**15, date(2149, 6, 6))):
        batch = Batch(PART, 0, 1, records(0, at=at), None)
        assert batch.plan.day == day


def test_K2_a_repetition_waits_until_it_is_whole_and_takes_no_record_more() -> None:
    planned = Planned(4, "as it was", date(2026, 1, 1))
    held = buffer(Limits(records=2, linger_s=0), planned, start=1)
    held.add(PART, records(1, 2))
    assert held.ready(10**9) == []
    held.add(PART, records(3, 4, 5))
    (batch,) = held.ready(0)
    assert [record.offset for record in batch.records] == [1, 2, 3]
    assert batch.plan is planned
    held.stored([batch])
    (following,) = held.ready(10**9)
    assert (following.start, following.end, following.planned) == (4, 6, None)


def test_K2_a_repetition_whose_records_are_gone_is_finished_without_them() -> None:
    held = buffer(Limits(), Planned(4, "as it was", date(2026, 1, 1)), start=1)
    held.add(PART, records(9))
    (batch,) = held.ready(0)
    assert (list(batch.records), batch.end) == ([], 4)


def test_records_wait_for_more_but_not_for_ever() -> None:
    held = buffer(Limits(records=10, linger_s=1.0))
    held.add(PART, records(0))
    assert held.ready(0) == []
    assert len(held.ready(10**9)) == 1


def test_S5_bytes_bound_a_batch_and_all_partitions_together() -> None:
    held = buffer(Limits(records=100, bytes=100))
    held.take(OTHER, 0, None)
    held.add(PART, records(*range(7), size=20))
    held.add(OTHER, records(*range(3), size=20))
    first, second = held.ready(0)
    assert (len(first.records), len(second.records)) == (5, 3)


def test_a_partition_that_was_dropped_gives_no_batch() -> None:
    held = buffer(Limits(linger_s=0))
    held.add(PART, records(0))
    held.drop([PART])
    assert held.ready(10**9) == []
