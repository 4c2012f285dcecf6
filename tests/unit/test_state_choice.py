"""Which checkpoint is the furthest, and when a live state is behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from afflux.kernel.reasons import REASONS
from afflux.runtime.checkpoints import About, CheckpointDamaged, Manifest
from afflux.runtime.restoring import furthest, is_behind
from afflux.runtime.store_faults import (
    StoreBusy,
    StoreDamaged,
    StoreFault,
    told,
)


def manifest(number: int, **offsets: int) -> Manifest:
    """A checkpoint that has read so far."""
    return Manifest(number, About(0, offsets, 1, 1), ())


def test_the_furthest_is_what_has_read_most_whatever_its_number() -> None:
    """An owner that was cut off may have made a later checkpoint of an earlier state."""
    made = [manifest(1, a=10, b=1), manifest(2, a=50, b=1), manifest(3, a=20, b=2)]
    assert [one.number for one in furthest(made)] == [2, 3, 1]
    assert [one.number for one in furthest([manifest(1, a=5), manifest(2, a=5)])] == [2, 1]


@pytest.mark.parametrize(
    ("live", "other", "behind"),
    [
        ({"a": 5}, {"a": 5}, False),
        ({"a": 5}, {"a": 6}, True),
        ({"a": 9, "b": 1}, {"a": 5, "b": 1}, False),
        ({}, {"a": 1}, True),
        ({}, {}, False),
    ],
)
def test_a_state_is_behind_another_when_it_has_read_less(
    live: dict[str, int], other: dict[str, int], behind: bool
) -> None:
    assert is_behind(live, other) is behind


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("IO error: lock hold by current process, acquire time 1: /x/LOCK", StoreBusy),
        ("IO error: While lock file: /x/LOCK: Resource temporarily unavailable", StoreBusy),
        ("Corruption: block checksum mismatch in /x/000009.sst offset 1", StoreDamaged),
        ("IO error: No such file or directory: While opening /x/MANIFEST-1", StoreDamaged),
    ],
)
def test_what_rocksdb_says_is_told_with_a_reason(sentence: str, fault: type[StoreFault]) -> None:
    found = told(Path("/x"), Exception(sentence))
    assert isinstance(found, fault) and fault.reason in REASONS
    assert str(found).startswith(f"{fault.reason}: /x: ")


def test_what_nobody_knows_stays_what_it_was() -> None:
    error = Exception("Not implemented")
    assert told(Path("/x"), error) is error
    assert str(CheckpointDamaged(Path("/x/f"), "is missing")).partition(":")[0] in REASONS
