"""The screen keeps no click of an erased visitor, whenever it comes (law T5)."""

from __future__ import annotations

from pathlib import Path

from services.fraud.process import Memory, pair_key, screen
from services.fraud.screen_state import Change, ScreenState
from tests.attribution_events import catalog, click, visitor


def pairs(state: ScreenState) -> set[bytes]:
    """Visitors of which clicks are kept."""
    return {key[1:17] for key, _ in state._rocks.scan(b"r")}


def judge(state: ScreenState, first: int, who: int) -> None:
    """Judge and write one click."""
    one = click(first, at=first * 1_000, who=who)
    memory: Memory = state.memory([one])
    screen([(first, one)], 0, (first, first + 1), memory, catalog())
    assert pair_key(one) in memory.touched
    state.write(first + 1, Change(memory, first + 1, one.recorded_at), first + 1, [])


def test_T5_a_forgotten_visitor_stays_forgotten(tmp_path: Path) -> None:
    state = ScreenState(tmp_path / "0")
    for number, who in enumerate((1, 2)):
        judge(state, number, who)
    assert pairs(state) == {visitor(1), visitor(2)}
    erased = {visitor(1)}
    state.forget(erased, erased)
    assert pairs(state) == {visitor(2)}
    judge(state, 5, 1)  # it was still under way
    assert pairs(state) == {visitor(2)}
    state.close()
