"""Token buckets: never more than the burst and the rate, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from afflux.kernel.types import Millis
from services.tracking.domain.limits import MINUTE_NS, Buckets, Gate, Limit, Rates
from services.tracking.domain.refusal import Refusal
from tests.tracking_samples import ADVERTISER, NOW, STRICT

steps = st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 40)), max_size=60)


def limit(rate: int, burst: int) -> Limit:
    found = Limit.of(rate, burst)
    assert found is not None
    return found


@given(st.integers(1, 2_000), st.integers(1, 50), steps)
def test_S5_no_more_passes_than_the_burst_and_the_rate(
    rate: int, burst: int, steps: list[tuple[int, int]]
) -> None:
    buckets, own = Buckets(), limit(rate, burst)
    taken: list[tuple[int, int]] = []
    now = int(NOW)
    for pause, count in steps:
        now += pause
        if buckets.take("a", own, Millis(now), count) == 0:
            taken.append((now, min(count, burst)))
    for first, (start, _) in enumerate(taken):  # over every window that begins with a take
        total = 0
        for at, count in taken[first:]:
            total += count
            assert total <= burst + rate * (at - start) / 1000


@given(st.integers(1, 500), st.integers(1, 50), st.integers(1, 60))
def test_who_waits_as_long_as_told_is_served(rate: int, burst: int, count: int) -> None:
    buckets, own = Buckets(), limit(rate, burst)
    assert buckets.take("a", own, NOW, burst) == 0
    wait = buckets.take("a", own, NOW, count)
    assert wait > 0
    assert buckets.take("a", own, Millis(NOW + wait * 1000), count) == 0


@given(st.lists(st.integers(0, 200), max_size=300), st.integers(1, 20))
def test_S5_buckets_are_bounded(keys: list[int], most: int) -> None:
    buckets, own = Buckets(most), limit(1, 2)
    for key in keys:
        buckets.take(key, own, NOW)
    assert len(buckets) <= most


@given(st.integers(0, 10**9))
def test_a_clock_set_back_closes_no_bucket_for_longer_than_it_takes_to_fill(back: int) -> None:
    buckets, own = Buckets(), limit(2, 10)
    assert buckets.take("a", own, NOW, 10) == 0
    earlier = Millis(NOW - back)
    assert buckets.take("a", own, earlier, 10) == 5
    assert buckets.take("a", own, Millis(earlier + 5_000), 10) == 0


def test_a_stranger_locks_nobody_out() -> None:
    gate = Gate(Rates(failure=Limit.of(1, 2, MINUTE_NS), address=limit(100, 100)))
    told = [gate.failure("192.0.2.1", NOW) for _ in range(3)]
    assert told[:2] == [None, None] and isinstance(told[2], Refusal)
    assert (told[2].reason, told[2].status, told[2].retry_after_s) == ("rate_limited", 429, 60)
    assert gate.failure("192.0.2.2", NOW) is None
    assert gate.request("192.0.2.1", NOW) is None
    assert gate.reports(ADVERTISER, 1, NOW) is None


def test_an_ipv6_network_is_one_sender() -> None:
    gate = Gate(Rates(address=limit(1, 1)))
    assert gate.request("2001:db8::1", NOW) is None
    assert gate.request("2001:db8::ffff", NOW) is not None
    assert gate.request("2001:db8:0:1::1", NOW) is None
    assert gate.request("192.0.2.1", NOW) is None
    assert gate.request("::ffff:192.0.2.1", NOW) is not None


def test_a_batch_counts_as_its_items_and_an_advertiser_can_have_its_own_rate() -> None:
    gate = Gate(Rates(advertiser=limit(10, 1_000)))
    assert gate.reports(STRICT, 999, NOW) is None
    assert gate.reports(STRICT, 1, NOW) is None
    refused = gate.reports(STRICT, 5, NOW)
    assert refused is not None and refused.retry_after_s == 1
    richer = replace(ADVERTISER, report_rate=1_000, report_burst=2_000)
    assert gate.reports(richer, 2_000, NOW) is None
    assert gate.reports(richer, 1_000, Millis(NOW + 1_000)) is None
    assert gate.reports(richer, 1, Millis(NOW + 1_000)) is not None


def test_no_rate_is_no_limit() -> None:
    assert Limit.of(0, 10) is None
    gate = Gate(Rates())
    assert not any(gate.request("192.0.2.1", NOW) for _ in range(1_000))
    assert gate.reports(ADVERTISER, 1_000, NOW) is None
