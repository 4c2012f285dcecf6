"""Whatever the model, final decisions do not depend on the order in which things come (law A2)."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.catalog import MODEL_NAMES, Catalog, ModelTerms
from services.attribution.table import MemoryTable
from tests.attribution_cases import coupon, frozen, known
from tests.attribution_events import Log, offer
from tests.attribution_samples import Worker, content
from tests.property.test_attribution_order import POLICY, Turns, check_credit, logs, run, turns


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Offers of which each has a model of its own, weights for some partners, and a coupon."""

    def model() -> ModelTerms:
        return ModelTerms(name=draw(st.sampled_from(MODEL_NAMES)), weights="spring")

    offers = [
        msgspec.structs.replace(offer(number, advertiser), model=model(), view_window_s=600)
        for number, advertiser in ((7, 1), (8, 1), (9, 2))
    ]
    weights = frozen(draw(st.sampled_from(["markov", "shapley"])), {0: "0.25", 1: "0.5"})
    return known(*offers, weights, coupon(1), coupon(2, "OTHER"))


@given(logs(), turns, catalogs(), st.lists(st.sampled_from([None, "SAVE10", "NONE"]), min_size=5))
def test_A2_every_model_and_signal_decides_the_same_in_any_order(
    log: Log, schedule: Turns, view: Catalog, codes: list[str | None]
) -> None:
    log.conversions = [
        msgspec.structs.replace(report, coupon=codes[report.journal_position])
        for report in log.conversions
    ]
    reference = content(Worker(log, MemoryTable(), view, POLICY).drain())
    played = run(log, schedule, view)
    assert content(played) == reference
    instants: dict[bytes, int] = {}
    for decision in played.published:
        assert instants.setdefault(decision.event_id, decision.recorded_at) == decision.recorded_at


@given(logs(), turns, catalogs())
def test_A1_A4_every_version_by_every_model_shares_exactly_one(
    log: Log, schedule: Turns, view: Catalog
) -> None:
    for decision in run(log, schedule, view).published:
        check_credit(decision)
