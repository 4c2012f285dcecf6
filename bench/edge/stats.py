"""The arithmetic of the benchmarks. Pure, and tested in tests/unit."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

LATENCY_SHARES = (50.0, 99.0, 99.9)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` per cent of the values do not exceed (nearest rank).

    `ordered` is sorted and not empty; `share` is over 0 and at most 100.
    """
    if not ordered:
        raise ValueError("no values, no percentile")
    if not 0 < share <= 100:
        raise ValueError(f"a share is over 0 and at most 100, not {share}")
    return ordered[math.ceil(round(len(ordered) * share / 100, 9)) - 1]


def latency_figures(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p99, p99.9 and the maximum in milliseconds."""
    ordered = sorted(seconds)
    figures = {f"p{share:g}_ms": percentile(ordered, share) * 1000 for share in LATENCY_SHARES}
    return {name: round(ms, 2) for name, ms in {**figures, "max_ms": ordered[-1] * 1000}.items()}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median of some rounds with the lowest and the highest, four digits each."""
    found = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: digits(value) for name, value in found.items()}


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return ours / theirs: each round against the same round, so that noise hits both alike."""
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the least-squares slope of y over x; at least two points with different x."""
    xs, ys = zip(*points, strict=True)
    return statistics.linear_regression(xs, ys).slope


def second_half(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points in the upper half of the range of x."""
    middle = (points[0][0] + points[-1][0]) / 2
    return [point for point in points if point[0] >= middle]


def due_times(start: float, per_second: float, count: int) -> Iterator[float]:
    """Yield when each request is due: evenly spaced, whatever the answers do.

    Each is reckoned from the start, not from the one before: errors do not add up.
    """
    for number in range(count):
        yield start + number / per_second


def digits(value: float, significant: int = 4) -> float:
    """Return the value rounded to some significant digits; numbers of many digits to whole ones."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, max(0, significant - 1 - math.floor(math.log10(abs(value)))))


def per_request(cpu: Mapping[str, float], requests: float) -> dict[str, float]:
    """Return microseconds a request of each entry of CPU seconds."""
    return {name: round(seconds / requests * 1e6, 2) for name, seconds in cpu.items()}
