"""Who may be called now: bounds, lanes by pace, and turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.types import Millis
from services.notify.domain.breaker import TRIES
from services.notify.domain.places import NOT_QUICK_EACH, SLOW_MS, Bounds, Places

NOW = Millis(0)
BOUNDS = Bounds(most=64, per_partner=8, per_endpoint=4, per_host=16)


def places(bounds: Bounds = BOUNDS, **paces: int) -> Places:
    """Places that know the paces of partners, by `p` and their id."""
    made = Places(bounds)
    for name, took_ms in paces.items():
        made.note(f"{name[1:]} {name}.example", took_ms, anybody_there=True, now=NOW)
    return made


def fill(made: Places, endpoints: list[str]) -> list[str]:
    """Begin all that may begin; return whose calls those are."""
    begun = []
    for endpoint in made.ordered(endpoints):
        for _ in range(made.room(endpoint, NOW)):
            made.begin(endpoint)
            begun.append(endpoint.partition(" ")[0])
    return begun


def test_a_partner_is_bounded_as_a_whole_however_many_urls_it_has() -> None:
    ports = [f"1 h{port}.example:{port}" for port in range(8000, 8010)]
    assert len(fill(places(p1=10), ports)) == BOUNDS.per_partner
    assert len(fill(places(), ports)) == NOT_QUICK_EACH


def test_a_host_is_one_host_whatever_its_ports() -> None:
    quick = {f"p{number}": 10 for number in range(1, 10)}
    ports = [f"{number} h.example:{8000 + number}" for number in range(1, 10)]
    assert len(fill(places(**quick), ports)) == BOUNDS.per_host
    six = [f"{number} [2001:db8::1]:{8000 + number}" for number in range(1, 10)]
    assert len(fill(places(**quick), six)) == BOUNDS.per_host


@given(st.integers(1, 200), st.integers(0, 200), st.sampled_from([1, 8, 64]))
def test_however_many_are_slow_or_unknown_a_quick_one_has_its_place(
    slow: int, unknown: int, most: int
) -> None:
    bounds = Bounds(max(most, 2), 8, 4, 16)
    made = places(bounds, p0=10, **{f"p{number}": 9_300 for number in range(1, slow + 1)})
    known = [f"{number} s{number}.example" for number in range(1, slow + 1)]
    new = [f"{1000 + number} u{number}.example" for number in range(unknown)]
    assert len(fill(made, known)) <= max(1, bounds.most // 4)
    fill(made, new)
    assert made.taken <= max(1, bounds.most // 2)
    assert made.room("0 quick.example", NOW) > 0


def test_slow_ones_leave_room_to_find_out_who_is_quick() -> None:
    made = places(**{f"p{number}": 9_300 for number in range(1, 100)})
    assert len(fill(made, [f"{n} s{n}.example" for n in range(1, 100)])) == BOUNDS.most // 4
    assert made.room("1000 new.example", NOW) == NOT_QUICK_EACH


def test_a_partner_that_becomes_quick_again_is_quick_and_the_other_way() -> None:
    made = places(p1=9_300)
    for _ in range(20):
        made.note("1 a.example", 50, anybody_there=True, now=NOW)
    assert made.room("1 a.example", NOW) == BOUNDS.per_endpoint
    for _ in range(2):
        made.note("1 a.example", 10 * SLOW_MS, anybody_there=True, now=NOW)
    assert made.room("1 a.example", NOW) == NOT_QUICK_EACH


def test_who_was_called_longest_ago_comes_first() -> None:
    made = places()
    endpoints = ["1 a.example", "2 b.example", "3 c.example"]
    assert made.ordered(endpoints) == endpoints
    made.begin("1 a.example")
    made.begin("3 c.example")
    assert made.ordered(endpoints) == ["2 b.example", "1 a.example", "3 c.example"]


def test_a_partner_s_own_hosts_take_turns_too() -> None:
    made = places(p1=9_300)
    endpoints = ["1 a.example", "1 b.example", "1 c.example"]
    called = []
    for _ in range(6):
        endpoint = made.ordered(endpoints)[0]
        made.begin(endpoint)
        made.end(endpoint)
        called.append(endpoint)
    assert called == endpoints * 2


def test_who_is_not_there_is_left_alone_and_is_welcome_when_it_is_back() -> None:
    made = places(p1=10)
    for _ in range(TRIES):
        made.note("1 a.example", 10, anybody_there=False, now=NOW)
    assert made.room("1 a.example", NOW) == 0
    assert made.room("1 b.example", NOW) == BOUNDS.per_endpoint
    made.note("1 a.example", 10, anybody_there=True, now=NOW)
    assert made.room("1 a.example", NOW) == BOUNDS.per_endpoint


def test_places_are_free_again_when_calls_end() -> None:
    made = places(p1=10)
    fill(made, ["1 a.example"])
    assert made.room("1 a.example", NOW) == 0
    for _ in range(BOUNDS.per_endpoint):
        made.end("1 a.example")
    assert made.taken == 0 and not made.full
    assert made.room("1 a.example", NOW) == BOUNDS.per_endpoint
