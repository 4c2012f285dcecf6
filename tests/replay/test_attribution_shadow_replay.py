"""A trial run of another model has no effect on money: the same log, with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path

from afflux.kernel.catalog import ModelTerms, ShadowModel
from afflux.kernel.events import (
    Decision,
    Event,
    ShadowDecision,
)
from services.payouts.domain.digest import balances_digest, fold, transfers_digest
from tests.trial_runs import TRIALS, a_catalog, a_log, ledger, run


def decisions_digest(outputs: Sequence[Event]) -> str:
    """Hash of every version of every decision, in the order of publication."""
    whole = blake2b(digest_size=16)
    for one in outputs:
        if isinstance(one, Decision):
            whole.update(one.conversion_key + one.event_id + bytes([one.version]))
    return whole.hexdigest()


async def test_trial_runs_change_no_decision_and_no_cent(tmp_path: Path) -> None:
    plain, tried = a_catalog(), a_catalog(*TRIALS)
    for seed in range(3):
        log = a_log(seed)
        without = await run(plain, log, tmp_path / f"without-{seed}")
        beside = await run(tried, log, tmp_path / f"with-{seed}")
        trials = [one for one in beside if isinstance(one, ShadowDecision)]
        assert {one.model for one in trials} == {"linear", "first", "time_decay", "position"}
        assert [one for one in beside if one not in trials] == without
        assert decisions_digest(beside) == decisions_digest(without)
        before, after = ledger(plain, without), ledger(tried, beside)
        assert len(before) > 50
        assert transfers_digest(after) == transfers_digest(before)
        assert balances_digest(fold(after)) == balances_digest(fold(before))


async def test_a_trial_says_something_of_every_version_and_only_of_its_offer_and_goal(
    tmp_path: Path,
) -> None:
    outputs = await run(a_catalog(*TRIALS), a_log(9), tmp_path)
    wanted = {
        (one.event_id, one.version, run.model.name)
        for one in outputs
        if isinstance(one, Decision)
        for run in TRIALS
        if run.offer_id == one.offer_id and run.goal in (None, one.goal)
    }
    trials = [one for one in outputs if isinstance(one, ShadowDecision)]
    assert {(one.decision_id, one.version, one.model) for one in trials} == wanted
    assert len({one.event_id for one in trials}) == len({(d, m) for d, _, m in wanted})
    for one in trials:
        assert sum(Fraction(s.numerator, s.denominator) for s in one.shares) in (0, 1)
        assert not any(s.click_id or s.clicked_at or s.sub for s in (*one.shares, *one.real_shares))


async def test_the_same_log_gives_the_same_trials(tmp_path: Path) -> None:
    view, log = a_catalog(*TRIALS), a_log(4)
    first, second = [await run(view, log, tmp_path / name) for name in ("a", "b")]
    assert first == second


async def test_a_trial_that_fails_stops_nothing(tmp_path: Path) -> None:
    broken = ModelTerms(name="position", first="no number")
    view = a_catalog(ShadowModel(offer_id=7, model=broken))
    log = a_log(5)
    without = await run(a_catalog(), log, tmp_path / "plain")
    beside = await run(view, log, tmp_path / "broken")
    assert [one for one in beside if isinstance(one, Decision)] == without
