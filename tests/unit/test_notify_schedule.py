"""What follows an attempt, and how long one waits."""

from __future__ import annotations

import pytest

from afflux.kernel.ids import derive
from afflux.kernel.reasons import REASONS
from afflux.kernel.types import Millis
from services.notify.domain.breaker import LONGEST_MS, TRIES, Breaker
from services.notify.domain.schedule import (
    LONGEST_RETRY_AFTER_MS,
    Again,
    Answer,
    Attempt,
    Delivered,
    Parked,
    Policy,
    after,
    wait_ms,
)

POLICY = Policy()
DAY = Millis(86_400_000)
NOW = Millis(0)


def attempt(number: int = 1, name: str = "a", give_up_at: Millis = DAY) -> Attempt:
    return Attempt(derive("delivery", name), number, give_up_at)


def until_parked(answer: Answer) -> list[Again | Parked | Delivered]:
    """What follows each attempt, if the answer is always this one."""
    verdicts: list[Again | Parked | Delivered] = []
    now = NOW
    while not verdicts or isinstance(verdicts[-1], Again):
        verdicts.append(after(attempt(len(verdicts) + 1), answer, now, POLICY))
        if isinstance(verdicts[-1], Again):
            now = verdicts[-1].at
    return verdicts


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    assert after(attempt(), Answer(status), NOW, POLICY) == Delivered()


@pytest.mark.parametrize(
    "status", [500, 502, 503, 504, 408, 425, 429, 400, 401, 403, 404, 405, 422, 304]
)
def test_any_other_status_is_tried_for_a_day_however_often(status: int) -> None:
    assert isinstance(after(attempt(30), Answer(status), NOW, POLICY), Again)
    late = Millis(DAY - 1)
    assert after(attempt(30), Answer(status), late, POLICY) == Parked("given_up")


def test_410_parks_at_once() -> None:
    assert after(attempt(), Answer(410), NOW, POLICY) == Parked("endpoint_gone")


@pytest.mark.parametrize("reason", ["address_refused", "redirect_refused"])
def test_what_is_out_of_bounds_parks_at_once(reason: str) -> None:
    assert after(attempt(), Answer(reason=reason), NOW, POLICY) == Parked(reason)


def test_a_name_that_leads_inside_is_asked_again_a_few_times_within_the_day() -> None:
    times = until_parked(Answer(reason="address_refused", may_pass=True))
    assert times.pop() == Parked("address_refused")
    assert 4 <= len(times) <= 7
    assert isinstance(times[0], Again) and times[0].at >= 20 * 60_000
    assert isinstance(times[-1], Again) and times[-1].at > DAY / 2


@pytest.mark.parametrize("reason", ["no_answer", "connection_failed", "name_unresolved"])
def test_whoever_is_not_there_is_tried_for_a_day(reason: str) -> None:
    assert isinstance(after(attempt(25), Answer(reason=reason), NOW, POLICY), Again)
    late = Millis(DAY - 1)
    assert after(attempt(25), Answer(reason=reason), late, POLICY) == Parked("given_up")


def test_retry_after_is_respected_and_bounded() -> None:
    asked = Answer(429, retry_after_ms=120_000)
    assert after(attempt(), asked, NOW, POLICY) == Again(Millis(120_000))
    assert after(attempt(), Answer(429, retry_after_ms=10**12), NOW, POLICY) == Again(
        Millis(LONGEST_RETRY_AFTER_MS)
    )
    soon = after(attempt(), Answer(503, retry_after_ms=0), NOW, POLICY)
    assert isinstance(soon, Again) and soon.at >= 4_000


def test_waits_double_up_to_an_hour_with_a_jitter_of_a_fifth() -> None:
    for number, bare in ((1, 5_000), (2, 10_000), (5, 80_000), (11, 3_600_000), (60, 3_600_000)):
        waits = {wait_ms(derive("d", n), number, POLICY) for n in range(200)}
        assert bare * 0.8 <= min(waits) < bare * 0.85
        assert bare * 1.15 < max(waits) <= bare * 1.2


@pytest.mark.parametrize("status", [404, 503])
def test_a_day_of_failures_is_some_thirty_attempts_then_parked(status: int) -> None:
    verdicts = until_parked(Answer(status))
    assert verdicts.pop() == Parked("given_up")
    assert 24 <= len(verdicts) <= 39
    times = [one.at for one in verdicts if isinstance(one, Again)]
    assert times == sorted(times)
    assert times[-1] > DAY - 2 * 3_600_000


def test_every_code_has_its_sentence() -> None:
    for answer in (Answer(404), Answer(410), Answer(reason="no_answer")):
        assert answer.code in REASONS


def test_a_dead_endpoint_is_left_alone_but_for_a_probe() -> None:
    breaker = Breaker()
    for _ in range(TRIES - 1):
        breaker = breaker.failed(NOW)
    assert breaker.room(4, 0, NOW) == 4
    breaker = breaker.failed(NOW)
    assert breaker.room(4, 0, NOW) == 0
    assert breaker.room(4, 0, Millis(1_000)) == 1
    assert breaker.room(4, 1, Millis(1_000)) == 0
    for _ in range(20):
        breaker = breaker.failed(NOW)
    assert breaker.open_until == LONGEST_MS
