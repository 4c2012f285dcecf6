"""What partners are told, whatever order the two topics are read in and whenever one looks."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.telling import Telling
from tests.notify_log import Owner, expected, interleaved, ledger_log
from tests.notify_samples import Teller

seeds = st.integers(0, 2**32)


def told(seed: int, mix: int, look: float) -> tuple[Teller, dict[Owner, list[Telling]]]:
    """Read a seeded log in one of its orders, looking now and then and at the end."""
    chance = random.Random(mix)
    teller = Teller()
    for event in interleaved(*ledger_log(6, seed), chance):
        teller.feed(event, tell_now=chance.random() < look)
    teller.tell()
    tellings: dict[Owner, list[Telling]] = defaultdict(list)
    for story, telling in teller.tellings:
        tellings[story.conversion_key, story.partner_id].append(telling)
    return teller, tellings


@given(seeds, seeds, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_in_the_end_each_partner_knows_what_the_ledger_says(
    seed: int, mix: int, look: float
) -> None:
    _, tellings = told(seed, mix, look)
    known = {
        owner: (made[-1].state.value, made[-1].payout.minor) for owner, made in tellings.items()
    }
    assert known == expected(*ledger_log(6, seed))


@given(seeds, seeds, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_each_story_is_told_in_order_and_without_repeats(seed: int, mix: int, look: float) -> None:
    teller, tellings = told(seed, mix, look)
    for made in tellings.values():
        events = [one.event.value for one in made]
        assert [one.number for one in made] == list(range(1, len(made) + 1))
        assert events[0] in {"accepted", "held"}
        if "approved" in events:
            assert "accepted" in events[: events.index("approved")]
        for before, after in pairwise(made):
            assert (before.state, before.payout) != (after.state, after.payout) or (
                before.event != after.event
            )
            if after.event.value == "changed":
                assert before.state == after.state
    ids = [one.event_id for made in tellings.values() for one in made]
    assert len(set(ids)) == len(ids)
    assert teller.tell().told == teller.told[: len(ids)]
