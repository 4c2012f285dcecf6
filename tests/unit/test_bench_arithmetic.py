"""What the benchmarks compute from what they saw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.__main__ import BENCHES, chosen
from bench.edge.answers import take_answer
from bench.edge.catalogue import CODES, changes
from bench.edge.soak import source
from bench.edge.stats import (
    digits,
    due_times,
    latency_figures,
    percentile,
    ratios,
    second_half,
    slope,
    spread,
)
from bench.edge.throughput import compare
from bench.edge.traffic import lua_script, request
from bench.edge.wrk import Load, read_report

REPORT = """Running 2s test @ http://127.0.0.1:1/
  1 threads and 256 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.93ms  508.60us  11.54ms   93.11%
    Req/Sec    82.59k     4.16k   89.83k    90.00%
  Latency Distribution
     50%    2.91ms
     75%    3.00ms
     90%    3.12ms
     99%    1.20s
  165845 requests in 2.02s, 20.24MB read
Requests/sec:  82100.00
Transfer/sec:     10.02MB
"""
ANSWER = b"HTTP/1.1 302 Found\r\nlocation: https://a.example/\r\nContent-Length: 3\r\n\r\nabc"


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = [float(number) for number in range(1, 1001)]
    assert [percentile(values, share) for share in (0.1, 50, 99, 99.9, 100)] == [
        1.0,
        500.0,
        990.0,
        999.0,
        1000.0,
    ]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.001, 100))
def test_a_percentile_leaves_no_more_above_it_than_it_says(
    values: list[float], share: float
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    at_most = sum(value <= found for value in ordered)
    below = sum(value < found for value in ordered)
    assert found in values
    assert below / len(ordered) * 100 <= share + 1e-6 <= at_most / len(ordered) * 100 + 2e-6


@pytest.mark.parametrize("share", [0, -1, 100.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        percentile([1.0], share)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_latency_is_told_in_milliseconds_with_its_tail() -> None:
    seconds = [0.001] * 998 + [0.5, 0.020]
    assert latency_figures(seconds) == {
        "p50_ms": 1.0,
        "p99_ms": 1.0,
        "p99.9_ms": 20.0,
        "max_ms": 500.0,
    }


def test_a_ratio_compares_each_round_with_the_same_round() -> None:
    # One round was disturbed for both: the ratio does not move, that of the medians would.
    assert ratios([10.0, 5.0, 9.0], [20.0, 10.0, 18.0]) == {"median": 0.5, "low": 0.5, "high": 0.5}


def test_rounds_that_have_no_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def test_spread_names_the_middle_and_both_ends() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}


def test_four_digits_are_kept_of_small_numbers_and_all_before_the_point() -> None:
    assert [digits(value) for value in (0.0, 0.123456, 12.3456, 123456.7)] == [
        0.0,
        0.1235,
        12.35,
        123457.0,
    ]


@given(st.floats(0, 1e6), st.integers(1, 5_000), st.integers(1, 400))
def test_the_schedule_is_even_and_does_not_drift(start: float, per_second: int, count: int) -> None:
    due = list(due_times(start, per_second, count))
    assert due[0] == start
    assert len(due) == count
    assert due[-1] == pytest.approx(start + (count - 1) / per_second, rel=1e-12)
    assert due == sorted(due)


def test_growth_is_the_slope_of_the_second_half() -> None:
    filling = [(float(n), 1000.0 * n) for n in range(50)]
    steady = [(float(n), 50_000.0 + 2 * n) for n in range(50, 101)]
    late = second_half([*filling, *steady])
    assert late == steady
    assert slope(late) == pytest.approx(2.0)


def test_an_answer_is_taken_whole_or_not_at_all() -> None:
    for size in range(len(ANSWER)):
        assert take_answer(ANSWER[:size]) is None
    assert take_answer(ANSWER) == (302, len(ANSWER))
    assert take_answer(ANSWER + b"HTTP/1.1 4") == (302, len(ANSWER))


def test_what_is_no_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="not an HTTP"):
        take_answer(b"SSH-2.0-OpenSSH\r\n\r\n")


def test_a_report_of_wrk_is_read_with_its_errors() -> None:
    load = read_report(REPORT, {"user": 1.0}, 0.5, 0.1)
    assert (load.per_second, load.answered, load.bad) == (82_100.0, 165_845, 0)
    assert (load.p50_ms, load.p99_ms) == (2.91, 1200.0)
    wrong = REPORT + (
        "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 90\n"
    )
    assert read_report(wrong, {}, 0.5, 0.1).bad == 100


def test_a_goal_is_not_judged_where_others_had_the_core() -> None:
    def line(per_second: float, others: float) -> list[Load]:
        return [Load(per_second, 1_000, 0, 1.0, 2.0, {"user": 1.0}, 0.5, others)] * 3

    def met(ours: list[Load], theirs: list[Load]) -> object:
        found = compare({"edge": ours, "empty_rsgi": theirs})["edge / empty_rsgi"]
        assert isinstance(found, dict)
        return found["met"]

    assert met(line(60.0, 0.1), line(100.0, 0.1)) is True
    assert met(line(50.0, 0.1), line(100.0, 0.1)) is False
    assert met(line(60.0, 0.1), line(100.0, 0.5)) is None
    assert met(line(60.0, 0.5), line(100.0, 0.1)) is None


def test_what_is_no_report_is_an_error() -> None:
    with pytest.raises(ValueError, match="no report of wrk"):
        read_report("unable to connect", {}, 0.0, 0.0)


def test_clicks_are_each_unlike_the_one_before_and_hit_links_of_the_catalogue() -> None:
    clicks = [request(number) for number in range(1_000)]
    assert len(set(clicks)) == len(clicks)
    assert all(click.split(b"?")[0].removeprefix(b"GET /c/").decode() in CODES for click in clicks)
    assert 650 < sum(b"afflux_v=" in click for click in clicks) < 750
    assert {change.kind for change in changes()} == {"advertiser", "partner", "offer", "link"}


def test_the_script_for_wrk_holds_every_click() -> None:
    script = lua_script(20)
    assert script.count("GET /c/") == 20
    assert r"\r\n\r\n" in script


def test_the_soak_comes_from_addresses_of_this_machine_only() -> None:
    found = [source(number) for number in range(0, 400_000, 7)]
    assert len(set(found)) == len(found)
    for address in found:
        first, *others = map(int, address.split("."))
        assert first == 127
        assert all(0 <= part <= 255 for part in others)


def test_benchmarks_are_chosen_by_group_and_by_part() -> None:
    edge = [name for name in BENCHES if name.startswith("edge.")]
    assert chosen([]) == list(BENCHES)
    assert chosen(["edge"]) == edge
    assert chosen(["edge", "soak"]) == ["edge.soak"]
    assert chosen(["edge.soak", "ledger"]) == ["edge.soak", "ledger"]
    assert chosen(["ledger", "edge", "latency", "memory"]) == [
        "ledger",
        "edge.latency",
        "edge.memory",
    ]
    with pytest.raises(KeyError):
        chosen(["edge", "nothing"])
