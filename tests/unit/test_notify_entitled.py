"""For which conversions a postback is called: those reported after it was configured."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from afflux.kernel.catalog import Catalog, Partner
from afflux.kernel.postback import PostbackEvent
from afflux.kernel.types import Millis
from services.notify.domain.entitled import ever_asked
from services.notify.domain.rendering import Delivery
from services.notify.process import requests
from tests.notify_samples import EVERY, Teller, credited, entry, partner_with
from tests.payouts_samples import PARTNER, T0, change

NOW = Millis(T0 + 100_000)
NONE = Partner(id=PARTNER, name="p")
ONE = partner_with("https://t.example/pb?c={ref_id}")


def view_of(*versions: tuple[int, int, Partner]) -> Catalog:
    """A catalogue of one partner: valid from, recorded at, and what it was."""
    view = Catalog()
    for number, (valid_from, recorded_at, partner) in enumerate(versions, start=1):
        view.apply(change(partner, number, valid_from, recorded_at))
    return view


def sent(view: Catalog, at: int = T0) -> Sequence[Delivery]:
    """What is sent at NOW of a conversion that was reported at `at`."""
    story, telling = Teller().feed(credited(at=at), entry(0)).tellings[0]
    return requests(view, story, [telling], NOW)


@pytest.mark.parametrize(("after", "count"), [(-1, 0), (0, 1), (1, 1)])
def test_a_postback_begins_with_the_reports_after_it_was_configured(after: int, count: int) -> None:
    view = view_of((0, 0, NONE), (T0, T0, ONE))
    assert len(sent(view, T0 + after)) == count


def test_what_was_entered_later_for_an_earlier_time_does_not_count() -> None:
    assert sent(view_of((0, 0, NONE), (0, T0 + 5, ONE))) == []


def test_what_was_taken_out_is_called_no_more_and_has_to_begin_again() -> None:
    assert sent(view_of((0, 0, ONE), (T0 + 5, T0 + 5, NONE))) == []
    back = [(0, 0, ONE), (T0 - 5, T0 - 5, NONE), (T0 + 5, T0 + 5, ONE)]
    assert sent(view_of(*back)) == []
    assert len(sent(view_of(*back), T0 + 6)) == len(sent(view_of(*back), T0 - 6)) == 1


@pytest.mark.parametrize(
    ("other", "count"),
    [
        (partner_with("https://t.example/new?token=2"), 1),
        (partner_with("https://t.example/pb", events=[PostbackEvent.ACCEPTED]), 1),
        (partner_with("https://another.example/pb"), 0),
        (partner_with("https://t.example/pb", goals=["lead"]), 0),
    ],
)
def test_it_stays_the_same_as_long_as_it_goes_to_the_same_host(other: Partner, count: int) -> None:
    assert len(sent(view_of((0, 0, ONE), (T0 + 5, T0 + 5, other)))) == count


def test_what_it_did_not_ask_for_then_has_no_beginning() -> None:
    leads = partner_with("https://t.example/pb", EVERY, goals=["lead"])
    assert sent(view_of((0, 0, leads), (T0 + 5, T0 + 5, ONE))) == []


def test_stories_of_whoever_ever_had_postbacks_are_read() -> None:
    assert not ever_asked(view_of((0, 0, NONE)), PARTNER)
    assert ever_asked(view_of((0, 0, NONE), (T0, T0, ONE)), PARTNER)
    assert ever_asked(view_of((0, 0, ONE), (T0, T0, NONE)), PARTNER)
    assert not ever_asked(Catalog(), PARTNER)
