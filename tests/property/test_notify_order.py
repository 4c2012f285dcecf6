"""What partners are told, whatever order the two topics are read in and whenever one looks."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Assessment, Channel, LedgerEntry
from afflux.kernel.types import Millis
from services.notify.domain.telling import Telling
from services.notify.process import requests
from tests.notify_log import Owner, expected, interleaved, ledger_log, reported
from tests.notify_samples import Teller, partner_with
from tests.payouts_log import PARTNERS
from tests.payouts_samples import T0, change

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


def after_last(what: str, events: list[str]) -> list[str]:
    """Return the events after the last `what`, all if there is none."""
    return events[max((n + 1 for n, one in enumerate(events) if one == what), default=0) :]


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
        for place, event in enumerate(events):
            if event == "approved":  # since it was reversed last, it was accepted again
                assert "accepted" in after_last("reversed", events[:place])
        for before, after in pairwise(made):
            assert (before.state, before.payout) != (after.state, after.payout) or (
                before.event != after.event
            )
            if after.event.value == "changed":
                assert before.state == after.state
    ids = [one.event_id for made in tellings.values() for one in made]
    assert len(set(ids)) == len(ids)
    assert teller.tell().told == teller.told[: len(ids)]


def begun_midway(seed: int, mix: int) -> tuple[Teller, dict[Owner, list[Telling]], set[bytes]]:
    """Configure everybody's postbacks at a random point of a seeded log; return what was sent, and
    the conversions that were reported, not imported, after that point."""
    chance = random.Random(mix)
    log = interleaved(*ledger_log(6, seed), chance)
    cut = chance.randrange(len(log) + 1)
    early = {event.conversion_key for event in log[:cut]}
    early |= {event.conversion_key for event in log if chance.random() < 0.03}
    imported = {event.conversion_key for event in log if chance.random() < 0.03}
    view, sent = Catalog(), defaultdict[Owner, list[Telling]](list)
    teller = Teller(view)
    for place, event in enumerate(log):
        if place == cut:
            for number in PARTNERS:
                one = partner_with("https://t.example/", partner=number)
                view.apply(change(one, 1, T0, T0))
        key, at = event.conversion_key, T0 - (event.conversion_key in early)
        fed: Assessment | LedgerEntry = event
        if isinstance(event, Assessment):
            fed = reported(event, at, Channel.IMPORT if key in imported else Channel.API)
        teller.feed(fed, tell_now=chance.random() < 0.3)
    for story, telling in teller.tell().tellings:
        if requests(view, story, [telling], Millis(T0 + 1)):
            sent[story.conversion_key, story.partner_id].append(telling)
    keys = {event.conversion_key for event in log} - early - imported
    return teller, sent, {key for key in keys if key is not None}


@given(seeds, seeds)
def test_whenever_postbacks_begin_whole_stories_are_told_and_no_others(seed: int, mix: int) -> None:
    teller, sent, whole = begun_midway(seed, mix)
    assert all(telling.payout.minor >= 0 for _, telling in teller.tellings)
    last = {owner: (made[-1].state.value, made[-1].payout.minor) for owner, made in sent.items()}
    truth = expected(*ledger_log(6, seed))
    assert last == {owner: known for owner, known in truth.items() if owner[0] in whole}
    assert all(made[0].number == 1 for made in sent.values())
