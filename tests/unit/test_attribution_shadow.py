"""Trial runs: which hold for a decision, and what they say."""

from __future__ import annotations

from fractions import Fraction

import pytest
from msgspec.structs import replace

from afflux.kernel.catalog import Catalog, ModelTerms, ShadowModel
from afflux.kernel.events import CreditSignal, Decision, Operation, Result, ShadowDecision
from afflux.kernel.types import Millis
from afflux.runtime.catalog_one import ending, putting
from afflux.runtime.refused import Refused
from services.attribution.domain.decision import decide, published
from services.attribution.domain.facts import seen_of
from services.attribution.domain.journey import Journey, Step
from services.attribution.domain.shadow import TrialRuns
from tests.attribution_events import T0, click, conversion, offer
from tests.payouts_samples import catalog, change

LINEAR = ShadowModel(offer_id=7, model=ModelTerms(name="linear"))
FIRST = ShadowModel(offer_id=7, model=ModelTerms(name="first"))


def decision(view: Catalog, goal: str = "sale", offer_id: int = 7) -> Decision:
    """Three clicks of partners 1, 2, 3 within a minute; the last one is credited."""
    clicks = [click(n, 10_000 * n, partner=n, offer_id=offer_id) for n in (1, 2, 3)]
    steps = [Step(seen_of(one, n, one.recorded_at)) for n, one in enumerate(clicks)]
    report = conversion(1, 60_000, who=1, goal=goal)
    return published(decide(report, Journey(tuple(steps)), view, 9), 1, None, 0)


def said(*trials: ShadowModel, goal: str = "sale", offer_id: int = 7) -> list[ShadowDecision]:
    """What these trials say."""
    view = catalog(offer(7), offer(8), *trials)
    return TrialRuns(view).of(decision(view, goal, offer_id))


def parts(one: ShadowDecision) -> dict[int, Fraction]:
    return {share.partner_id: Fraction(share.numerator, share.denominator) for share in one.shares}


def test_a_trial_gives_what_its_model_would_beside_what_was_given() -> None:
    (linear,) = said(LINEAR)
    third = Fraction(1, 3)
    assert parts(linear) == {1: third, 2: third, 3: third}
    assert [share.partner_id for share in linear.real_shares] == [3]
    assert (linear.model, linear.real_model, linear.result) == ("linear", "last", Result.ATTRIBUTED)


def test_a_trial_is_of_its_offer_and_goal() -> None:
    lead = replace(LINEAR, goal="lead")
    assert said(LINEAR, offer_id=8) == []
    assert said(lead) == []
    assert len(said(lead, goal="lead")) == 1
    assert [one.model for one in said(FIRST, LINEAR)] == ["first", "linear"]


def test_a_goals_own_trial_wins_over_the_offers() -> None:
    soon = ModelTerms(name="time_decay", half_life_s=10)
    general = ShadowModel(offer_id=7, model=ModelTerms(name="time_decay"))
    own = ShadowModel(offer_id=7, goal="sale", model=soon)
    (one,) = said(general, own)
    assert parts(one)[3] == 2 * parts(one)[2]
    (other,) = said(general, own, goal="lead")
    assert parts(other) != parts(one)


def test_a_trial_begins_with_what_is_reported_once_it_is_known_and_ends_when_it_is_stopped() -> (
    None
):
    view = catalog(offer(7))
    now = decision(view)
    view.apply(change(LINEAR, recorded_at=now.reported_at + 1))
    runs = TrialRuns(view)
    assert runs.of(now) == []
    later = replace(now, reported_at=Millis(now.reported_at + 1))
    assert len(runs.of(later)) == 1
    stop = replace(
        change(LINEAR, version=2, valid_from=now.occurred_at),
        operation=Operation.DELETE,
        body="",
        recorded_at=later.reported_at,
    )
    view.apply(stop)
    assert runs.of(later) == []
    assert len(runs.of(replace(later, occurred_at=Millis(now.occurred_at - 1)))) == 1


@pytest.mark.parametrize("signal", [CreditSignal.COUPON, CreditSignal.CUSTOMER])
def test_where_no_model_was_asked_a_trial_changes_nothing(signal: CreditSignal) -> None:
    view = catalog(offer(7), LINEAR)
    (one,) = TrialRuns(view).of(replace(decision(view), signal=signal))
    assert one.shares == one.real_shares


def test_what_nobody_could_have_says_why() -> None:
    view = catalog(offer(7), LINEAR)
    nothing = replace(decision(view), shares=[], touches=[], reason="outside_window")
    (one,) = TrialRuns(view).of(nothing)
    assert (one.result, one.reason, one.shares) == (Result.UNATTRIBUTED, "outside_window", [])


def test_I3_a_trial_of_the_same_decision_has_the_same_id_and_another_model_another() -> None:
    view = catalog(offer(7), LINEAR, FIRST)
    now = decision(view)
    first, again = TrialRuns(view).of(now), TrialRuns(view).of(replace(now, version=5))
    assert [one.event_id for one in first] == [one.event_id for one in again]
    assert {one.version for one in again} == {5}
    assert first[0].event_id != first[1].event_id


def test_a_command_writes_one_entity_as_a_file_would_and_is_refused_as_one() -> None:
    view, now = catalog(offer(7), LINEAR), Millis(T0)
    assert putting(LINEAR)(view, now).steps == ()
    (step,) = putting(FIRST)(view, now).steps
    assert (step.sign, step.entity_id) == ("+", "7:first")
    (end,) = ending(LINEAR.kind, "7:linear")(view, now).steps
    assert (end.sign, end.valid_from) == ("-", now)
    for wrong, sentence in (
        (putting(replace(LINEAR, offer_id=99)), "^offer: there is no offer '99'"),
        (putting(ShadowModel(offer_id=7, model=ModelTerms(name="markov"))), "^the model markov"),
        (putting(replace(LINEAR, goal="nothing")), "^goal: offer 7 has no goal 'nothing'"),
        (ending(LINEAR.kind, "7:position"), "^shadow model 7:position does not exist"),
    ):
        with pytest.raises(Refused, match=sentence):
            wrong(view, now)
