"""Laws of fraud control over whatever comes."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.catalog import FraudAction
from afflux.kernel.events import Assessment, ClickOutcome, Decision, Result, Verdict
from afflux.kernel.outcome import Emit
from services.fraud.domain.rules import CONVERSION_RULES, RULES_VERSION
from services.fraud.process import Memory, process_decision, screen
from tests.fraud_samples import CHROME, GOOGLEBOT, catalog, change, click, decision, offer

actions = st.sampled_from(list(FraudAction))
offers = st.builds(
    offer,
    ctit_floor_s=st.integers(0, 60),
    on_short_ctit=actions,
    on_repeated_click=actions,
    on_bot_click=actions,
)
decisions = st.builds(
    decision,
    elapsed_ms=st.integers(0, 90_000),
    flags=st.lists(
        st.sampled_from(["bot_user_agent", "repeated_click", "a_model", "a_sketch"]), max_size=3
    ),
    screened=st.booleans(),
    result=st.sampled_from(list(Result)),
    offer_id=st.sampled_from([7, 8]),
    waited_ms=st.integers(0, 10**8),
)
clicks = st.lists(
    st.builds(
        click,
        number=st.integers(1, 60),
        at=st.integers(0, 40).map(lambda s: 1_000 * s),
        visitor=st.integers(1, 2),
        link=st.integers(3, 4),
        user_agent=st.sampled_from([CHROME, CHROME, GOOGLEBOT, ""]),
        outcome=st.sampled_from([*ClickOutcome]),
    ),
    max_size=40,
)


def assess(of: Decision, terms) -> Assessment:
    outcome = process_decision(of, catalog(change(terms)))
    assert isinstance(outcome, Emit)
    (event,) = outcome.events
    assert isinstance(event, Assessment)
    return event


@given(decisions, offers)
def test_F1_only_exact_evidence_denies_money(of, terms):
    found = assess(of, terms)
    rejecting = [r for r in found.reasons if r.action is Verdict.REJECT]
    assert all(reason.exact for reason in rejecting)
    assert (found.verdict is Verdict.REJECT) == bool(rejecting)


@given(decisions, offers)
def test_F2_a_verdict_names_its_rules_versions_inputs_and_thresholds(of, terms):
    found = assess(of, terms)
    assert found.rules_version == RULES_VERSION
    for reason in found.reasons:
        assert reason.version == CONVERSION_RULES[reason.rule].version
        assert reason.inputs
        assert reason.threshold
    assert found.verdict is Verdict.PASS or found.reasons


@given(decisions, offers)
def test_F2_an_assessment_is_derived_from_its_decision_and_holds_it(of, terms):
    found = assess(of, terms)
    assert found == assess(of, terms)
    assert (found.decision, found.version, found.decision_id) == (of, of.version, of.event_id)


@given(decisions, offers, st.integers(0, 10**12))
def test_F4_time_alone_changes_no_verdict(of, terms, later):
    waited = msgspec.structs.replace(of, waited_ms=later, recorded_at=of.recorded_at + later)
    assert assess(waited, terms).verdict is assess(of, terms).verdict


@given(clicks)
def test_every_judged_click_counts_once_and_every_flag_is_of_one_of_them(log):
    view = catalog(change(offer()))
    found = screen(enumerate(log), 0, (0, len(log)), Memory(set(), {}), view)
    followed = {c.click_id for c in log if c.outcome in ("redirected", "fallback")}
    counted = sum(c.valid + sum(r.count for r in c.invalid) for c in found.counts)
    assert counted == len(followed)
    flagged = [f.click_id for f in found.flags]
    assert len(set(flagged)) == len(flagged)
    assert set(flagged) <= followed
    assert sum(r.count for c in found.counts for r in c.invalid) == len(flagged)


@given(clicks)
def test_F1_every_repeat_names_a_click_that_stands_before_and_is_nearer_than_the_limit(log):
    view = catalog(change(offer()))
    found = screen(enumerate(log), 0, (0, len(log)), Memory(set(), {}), view)
    for flag in found.flags:
        for signal in flag.signals:
            if signal.name != "repeated_click":
                continue
            other = bytes.fromhex(signal.evidence.split()[0].removeprefix("click_id="))
            # Generated logs may give one id to two clicks; one of them must be the one named.
            assert any(
                c.click_id == other
                and c.visitor_key == flag.visitor_key
                and c.link_id == flag.link_id
                and abs(c.occurred_at - flag.occurred_at) < 10_000
                for c in log[: flag.source_offset]
            )
