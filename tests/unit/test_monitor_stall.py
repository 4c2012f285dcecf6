"""When the monitor decides that Faust stands still."""

from __future__ import annotations

from afflux.runtime.log_reader import TopicPartition
from services.monitor.worker import STALLED_CHECKS, Stall

PART = TopicPartition("fraud.assessments", 0)


def test_S3_records_that_nobody_handles_are_a_stall_after_some_checks():
    stall = Stall()
    assert not stall.check({PART: 5}, 5)
    found = [stall.check({PART: 6}, 5) for _ in range(STALLED_CHECKS)]
    assert found == [False] * (STALLED_CHECKS - 1) + [True]


def test_S3_handling_anything_is_progress_and_silence_is_no_stall():
    stall = Stall()
    assert not stall.check({PART: 5}, 0)
    assert not any(stall.check({PART: 5}, 0) for _ in range(9))
    assert not any(stall.check({PART: 6 + n}, 1 + n) for n in range(9))
    assert not any(stall.check({PART: 14}, 9) for _ in range(9))
