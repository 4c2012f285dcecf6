"""The rules of fraud control, one by one."""

from __future__ import annotations

from itertools import pairwise

import pytest

from afflux.kernel.catalog import FraudAction
from afflux.kernel.events import Assessment, Click, ClickOutcome, Result, Verdict
from afflux.kernel.outcome import Drop, Emit
from afflux.kernel.reasons import REASONS
from services.fraud.domain.bots import bot_pattern
from services.fraud.domain.counting import Tally
from services.fraud.domain.repeats import KEPT, pack, remember, unpack
from services.fraud.domain.rules import CLICK_RULES, CONVERSION_RULES, RULES_VERSION
from services.fraud.process import Memory, Screening, process_click, process_decision, screen
from tests.fraud_samples import CHROME, GOOGLEBOT, T0, catalog, change, click, decision, offer

VIEW = catalog(change(offer()))


def screened(clicks: list[Click], view=VIEW) -> Screening:
    """Screen the clicks as the whole of one partition."""
    return screen(enumerate(clicks), 0, (0, len(clicks)), Memory(set(), {}), view)


def judge(clicks: list[Click], view=VIEW) -> list[tuple[int, list[str]]]:
    """Return (place in the log, reasons) of the clicks that are not valid."""
    found = screened(clicks, view)
    return [(f.source_offset, [s.name for s in f.signals]) for f in found.flags]


def assess(of, view=VIEW) -> Assessment:
    outcome = process_decision(of, view)
    assert isinstance(outcome, Emit)
    (event,) = outcome.events
    assert isinstance(event, Assessment)
    return event


def test_every_rule_has_a_sentence_for_people():
    assert (CLICK_RULES.keys() | CONVERSION_RULES.keys()) <= REASONS.keys()


@pytest.mark.parametrize(
    "user_agent",
    [
        CHROME,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/126.0.0.0 Mobile Safari/537.36",
        "",
    ],
)
def test_a_browser_and_an_empty_user_agent_are_no_known_bots(user_agent):
    assert bot_pattern(user_agent) is None


def test_a_known_bot_is_named_by_the_pattern_it_matches():
    assert bot_pattern(GOOGLEBOT) == "Googlebot\\/"
    assert bot_pattern("x" * 2_000 + GOOGLEBOT) is None


def test_given_a_bot_when_it_clicks_then_the_flag_says_which_rule_and_version():
    bot = click(1, user_agent=GOOGLEBOT)
    found = screen([(9, bot)], 2, (9, 10), Memory(set(), {}), VIEW)
    flags, counts = found.flags, found.counts
    (signal,) = flags[0].signals
    assert (signal.name, signal.version, signal.exact) == ("bot_user_agent", 1, True)
    assert signal.evidence == "pattern=Googlebot\\/"
    assert (flags[0].action, flags[0].source_partition, flags[0].source_offset) == ("invalid", 2, 9)
    assert [(c.valid, [(r.reason, r.count) for r in c.invalid]) for c in counts] == [
        (0, [("bot_user_agent", 1)])
    ]


def test_a_click_nearer_than_the_limit_is_a_repeat_and_one_at_the_limit_is_not():
    assert judge([click(1), click(2, 9_999)]) == [(1, ["repeated_click"])]
    assert judge([click(1), click(2, 10_000)]) == []


def test_other_visitors_and_other_links_do_not_repeat_each_other():
    assert judge([click(1), click(2, 1, visitor=2), click(3, 2, link=4)]) == []


def test_each_quick_click_of_a_chain_repeats_the_one_before_it():
    chain = [click(n, 6_000 * n) for n in range(5)]
    assert [place for place, _ in judge(chain)] == [1, 2, 3, 4]


def test_a_click_that_reaches_the_log_late_is_judged_by_when_it_happened():
    assert judge([click(1), click(2, 60_000), click(3, 3_000)]) == [(2, ["repeated_click"])]
    assert judge([click(2, 60_000), click(1, 55_000)]) == [(1, ["repeated_click"])]


def test_the_evidence_of_a_repeat_names_the_other_click_and_the_limit():
    first, second = click(1), click(2, 2_500)
    assert screened([first, second]).flags[0].signals[0].evidence == (
        f"click_id={first.click_id.hex()} apart_ms=2500 limit_s=10"
    )


def test_the_limit_is_the_offers_at_the_click_as_known_then():
    view = catalog(
        change(offer(repeat_click_s=10)),
        change(offer(repeat_click_s=60), version=2, valid_from=T0 + 100_000, recorded_at=T0),
    )
    assert judge([click(1), click(2, 30_000)], view) == []
    assert judge([click(1, 100_000), click(2, 130_000)], view) == [(1, ["repeated_click"])]
    late = [click(1, 100_000, recorded_at=T0 - 1), click(2, 130_000, recorded_at=T0 - 1)]
    assert judge(late, view) == []


def test_without_an_offer_there_is_no_limit_and_a_limit_of_zero_is_off():
    assert judge([click(1), click(2, 1)], catalog()) == []
    assert judge([click(1), click(2)], catalog(change(offer(repeat_click_s=0)))) == []


@pytest.mark.parametrize("outcome", [ClickOutcome.PREVIEW, ClickOutcome.REFUSED])
def test_previews_and_refusals_are_neither_judged_nor_counted_nor_remembered(outcome):
    clicks = [click(1, outcome=outcome, user_agent=GOOGLEBOT), click(2, 1)]
    found = screened(clicks)
    assert found.flags == []
    assert [(c.valid, c.invalid) for c in found.counts] == [(1, [])]
    assert found.dropped == {"not_followed": 1, "valid": 1}


def test_a_redelivered_click_changes_nothing():
    memory, tally = Memory(set(), {}), Tally()
    assert process_click(click(1), 0, 0, memory, tally, VIEW) == Drop("valid")
    assert process_click(click(1), 0, 1, memory, tally, VIEW) == Drop("redelivered")
    (count,) = tally.counts(0, 0, 2)
    assert count.valid == 1


def test_a_click_with_two_reasons_counts_once_under_the_first_of_them():
    clicks = [click(1, user_agent=GOOGLEBOT), click(2, 1, user_agent=GOOGLEBOT)]
    found = screened(clicks)
    assert [s.name for s in found.flags[1].signals] == ["bot_user_agent", "repeated_click"]
    assert [(r.reason, r.count) for r in found.counts[0].invalid] == [("bot_user_agent", 2)]


def test_the_latest_clicks_are_kept_in_order_and_survive_storage():
    recent = ()
    for n in reversed(range(KEPT + 3)):
        recent = remember(recent, T0 + n, click(n).click_id)
    assert len(recent) == KEPT
    assert all(a.occurred_at < b.occurred_at for a, b in pairwise(recent))
    assert recent[-1].occurred_at == T0 + KEPT + 2
    assert unpack(pack(recent)) == recent
    assert unpack(None) == ()


def test_a_conversion_after_the_floor_passes_without_reasons():
    found = assess(decision(elapsed_ms=5_000))
    assert (found.verdict, found.reasons, found.rules_version) == (Verdict.PASS, [], RULES_VERSION)


def test_F2_a_short_click_to_conversion_names_inputs_and_threshold():
    found = assess(decision(elapsed_ms=4_999))
    (reason,) = found.reasons
    assert found.verdict is Verdict.HOLD
    assert (reason.rule, reason.version, reason.exact) == ("short_click_to_conversion", 1, True)
    assert reason.threshold == "ctit_floor_s=5"
    inputs = {each.name: each.value for each in reason.inputs}
    assert inputs["elapsed_ms"] == "4999"
    assert inputs["clicked_at"] == str(T0)


def test_the_offer_says_what_a_flagged_click_costs():
    bot, repeat = decision(flags=["bot_user_agent"]), decision(flags=["repeated_click"])
    assert assess(bot).verdict is Verdict.REJECT
    assert assess(repeat).verdict is Verdict.PASS
    assert [r.rule for r in assess(repeat).reasons] == ["flagged_click"]
    strict = catalog(change(offer(on_repeated_click=FraudAction.REJECT)))
    assert assess(repeat, strict).verdict is Verdict.REJECT


def test_the_worst_action_is_the_verdict():
    found = assess(decision(elapsed_ms=1, flags=["repeated_click", "bot_user_agent"]))
    assert found.verdict is Verdict.REJECT
    assert len(found.reasons) == 3


def test_an_unscreened_click_is_held():
    found = assess(decision(screened=False))
    assert (found.verdict, [r.rule for r in found.reasons]) == (Verdict.HOLD, ["click_unscreened"])


def test_an_unattributed_conversion_passes_without_reasons():
    found = assess(decision(result=Result.UNATTRIBUTED, screened=False, elapsed_ms=1))
    assert (found.verdict, found.reasons) == (Verdict.PASS, [])


def test_money_of_an_unknown_offer_is_held():
    found = assess(decision(), catalog())
    assert (found.verdict, [r.rule for r in found.reasons]) == (Verdict.HOLD, ["offer_unknown"])


def test_F1_a_flag_that_no_rule_here_knows_can_hold_but_not_reject():
    found = assess(decision(flags=["model_says_so"]))
    assert (found.verdict, found.reasons[0].exact) == (Verdict.HOLD, False)


def test_F4_waiting_longer_releases_nothing():
    held = [assess(decision(screened=False, waited_ms=ms)).verdict for ms in (0, 30_000, 10**9)]
    assert held == [Verdict.HOLD] * 3


def test_a_later_version_is_an_assessment_of_its_own():
    first, second = assess(decision(version=1)), assess(decision(version=2))
    assert first.event_id != second.event_id
    assert (first.version, second.version) == (1, 2)
    assert assess(decision(version=1)) == first
