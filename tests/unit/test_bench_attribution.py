"""What the benchmarks of attribution make and compute."""

from __future__ import annotations

import pytest

from afflux.kernel.events import Click, Conversion
from afflux.kernel.ids import ulid_time
from afflux.runtime.codec import Codec
from bench.attribution.children import rates
from bench.attribution.decide import Plan
from bench.attribution.journeys import verdicts
from bench.attribution.latency import TICK_MS, Traffic, waits
from bench.attribution.traffic import SHAPES, click_id, clicks, shaped, visitor_key

CODEC = Codec.load()
START = 1_790_000_000_000


def test_a_click_from_a_shape_is_what_the_codec_writes() -> None:
    made = list(clicks(CODEC, 3 * SHAPES, 50, START, 1_000, first=7))
    for number, record in enumerate(made, 7):
        event = shaped(number % SHAPES, click_id(number, record.at), record.key, record.at)
        assert record.value == CODEC.encode(event)
        decoded = CODEC.decode(Click.topic, record.value)
        assert decoded.key == record.key
        assert ulid_time(click_id(number, record.at)) == record.at
    assert [record.at for record in made] == [START + n for n in range(3 * SHAPES)]
    assert len({record.key for record in made}) == 50


def test_every_report_names_a_touch_of_its_own_visitor_before_it() -> None:
    plan = Plan(visitors=100, touches=10, start=START)
    reports = list(plan.reports(50))
    owners = {visitor_key(number): number for number in range(100)}
    assert len({report.conversion_key for report in reports}) == 50
    assert len({report.visitor_key for report in reports}) == 50
    assert sum(report.click_id is not None for report in reports) == 25
    for report in reports:
        assert report.visitor_key is not None
        assert report.occurred_at >= plan.end
        if report.click_id is not None:
            number = int.from_bytes(report.click_id[6:], "big")
            assert number % 100 == owners[report.visitor_key]
            assert plan.at(number) == report.clicked_at == ulid_time(report.click_id)


def test_touches_come_in_order_of_time() -> None:
    plan = Plan(visitors=30, touches=4, start=START)
    instants = [plan.at(number) for number in range(120)]
    assert instants == sorted(instants)
    assert instants[0] >= START
    assert instants[-1] < plan.end


def test_traffic_is_due_tick_by_tick_and_names_clicks_that_were_sent() -> None:
    traffic = Traffic(seconds=3, per_s=100, clicks_per_s=1_000)
    slots = traffic.due(traffic.clicks)
    assert {len(slot) for slot in slots} == {1_000 * TICK_MS // 1_000}
    assert [record for slot in slots for record in slot] == traffic.clicks
    at = {click_id(number, one.at): one.at for number, one in enumerate(traffic.clicks)}
    named = 0
    for record in traffic.conversions:
        report = CODEC.decode(Conversion.topic, record.value)
        assert isinstance(report, Conversion)
        assert traffic.reports[report.conversion_key] == report.recorded_at == record.at
        if report.click_id is not None:
            named += 1
            assert at[report.click_id] == report.clicked_at < record.at
    assert 80 < named <= 150


def test_a_wait_counts_from_when_the_report_was_due() -> None:
    reports, first = {b"a": 1_000, b"b": 2_000, b"c": 9_000}, {b"a": 1_250, b"b": 2_010}
    assert waits(reports, first, 1_000, 3_000) == [0.25, 0.01]
    with pytest.raises(RuntimeError, match="1 of 3"):
        waits(reports, first, 0, 10_000)
    with pytest.raises(RuntimeError, match="0 of 0"):
        waits(reports, first, 3_000, 4_000)


def test_rates_are_told_of_the_whole_and_of_the_warm_half() -> None:
    told = rates({"records": 1_000, "wall_s": 4.0, "second_half_s": 1.0, "cpu_s": 2.0})
    assert (told["per_s"], told["second_half_per_s"], told["per_cpu_s"]) == (250, 500, 500)


def test_a_goal_is_judged_against_the_rival_of_the_same_run_or_not_at_all() -> None:
    found = {
        "afflux": {"per_s": 100_000.0},
        "streams": {"per_s": 90_000.0},
        "streams_plain": {"per_s": 200_000.0},
        "quix": {"skipped": "no network"},
    }
    assert verdicts(found) == {
        "per_s": {"goal": 120_000, "reached": 100_000.0, "met": False},
        "afflux / streams": {"goal": 1.0, "reached": 1.11, "met": True},
    }
    assert verdicts({"streams": {"per_s": 1.0}}) == {}
