"""An operator's explanation: touches with share or reason, terms, versions, other models."""

from __future__ import annotations

import io
import json
from fractions import Fraction

from msgspec.structs import replace
from rich.console import Console

from afflux.cli.why import tell_partner, tell_why
from afflux.kernel.catalog import (
    AttributionWeights,
    Catalog,
    Goal,
    Landing,
    ModelTerms,
    Offer,
    PartnerWindow,
    Terms,
)
from afflux.kernel.events import CreditSignal
from afflux.kernel.reasons import REASONS
from afflux.kernel.types import Millis
from services.analytics.domain.explanation import Asked, Evidence, Explanation, explain
from services.analytics.domain.partner_view import for_partner
from services.analytics.domain.shadow_report import SCALE, Amounts, Sums, report, rounded
from services.analytics.domain.told import percent
from services.attribution.domain.alternatives import alternatives
from tests.explain_samples import FOREIGN, OFFERS, OWN, decision_of, text_of, touch_at
from tests.payouts_samples import catalog, change

A, B = FOREIGN[0], FOREIGN[1]


def offers(model: str | ModelTerms = "linear") -> Catalog:
    """The offers of all partners; views count for two hours, partner A's for three."""
    view = catalog(AttributionWeights(id="spring", model="markov", weights={str(OWN): "0.5"}))
    for offer_id in OFFERS.values():
        view.apply(
            change(
                Offer(
                    id=offer_id,
                    advertiser_id=3,
                    name="shop",
                    landings=[Landing(id=1, url="https://shop.example/")],
                    goals=[Goal(name="sale", revenue=Terms(percent="10"), window_s=86_400)],
                    model=model,
                    view_window_s=7_200,
                    partner_windows=[PartnerWindow(partner_id=A, view_window_s=10_800)],
                ),
                version=4,
            )
        )
    return view


def explained(view: Catalog | None = None, **evidence: object) -> Explanation:
    """Three touches: A's is too early, OWN and B share."""
    touches = [touch_at(1, A, "outside_window"), touch_at(2, OWN, None), touch_at(3, B, None)]
    known = view or offers()
    base = {"decisions": [decision_of(1, touches)], "catalog": known}
    return explain(Evidence(**{**base, **evidence}))  # type: ignore[arg-type]


def test_A4_every_touch_has_its_share_or_its_reason_with_a_sentence_in_two_languages() -> None:
    early, own, other = explained().touches
    assert (early.share, own.reason, other.reason) == (None, None, None)
    assert early.reason is not None
    assert (early.reason.en, early.reason.ru) == (
        REASONS["outside_window"].en,
        REASONS["outside_window"].ru,
    )
    assert own.share is not None
    assert (own.share.fraction, own.share.percent) == ("1/2", "50.00")
    assert [credit.partner_id for credit in explained().credits] == [OWN, B]


def test_a_touch_has_the_window_of_its_kind_goal_and_partner() -> None:
    kinds = [
        touch_at(1, A, None, "impression"),
        touch_at(2, OWN, None, "impression"),
        touch_at(3, OWN, None),
    ]
    told = explained(decisions=[decision_of(1, kinds)])
    assert [touch.window_s for touch in told.touches] == [10_800, 7_200, 86_400]


def test_a_model_is_told_with_the_parameters_it_reads() -> None:
    assert text_of(explained().model) == '{"name":"linear"}'
    slow = offers(ModelTerms(name="time_decay", half_life_s=600))
    touches = [touch_at(2, OWN, None)]
    decay = replace(decision_of(1, touches), model="time_decay")
    assert explained(slow, decisions=[decay]).model.half_life_s == 600
    frozen = offers(ModelTerms(name="markov", weights="spring"))
    markov = replace(decision_of(1, touches), model="markov")
    told = explained(frozen, decisions=[markov]).model
    assert (told.weights, told.weights_version) == ("spring", 1)


def test_terms_are_those_the_decision_knew() -> None:
    """A version of the offer recorded after the report counts only if it was decided again."""
    view = offers()
    now = decision_of(1, [touch_at(2, OWN, None)])
    offer = view.find(Offer, OFFERS[OWN], now.occurred_at, now.reported_at)
    assert offer is not None
    later = Millis(now.reported_at + 1)
    wide = replace(offer, goals=[replace(offer.goals[0], window_s=99)])
    view.apply(change(wide, version=5, recorded_at=later))
    again = replace(now, version=2, terms_known_at=later, terms_version=5)
    assert explained(view, decisions=[now]).touches[0].window_s == 86_400
    told = explained(view, decisions=[now, again], asked=[Asked(later, "ann", "rule was wrong")])
    assert told.touches[0].window_s == 99
    assert (told.versions[1].asked_by, told.versions[1].asked_because) == ("ann", "rule was wrong")
    assert {one.what for one in told.versions[1].changes} == {"terms_version", "terms_known_at"}


def test_versions_say_what_changed() -> None:
    first = decision_of(1, [touch_at(2, OWN, None)])
    second = decision_of(2, [touch_at(2, OWN, "earlier_touch"), touch_at(3, B, None)])
    told = explained(decisions=[first, second])
    changed = {one.what: (one.before, one.after) for one in told.versions[1].changes}
    by = first.touches[0].click_id.hex()
    assert changed[f"share of partner {OWN} by {by}"] == ("1/1", None)
    assert changed[f"touch {by} of partner {OWN}"] == ("credited", "assisted earlier_touch")
    assert changed["offer"] == (str(OFFERS[OWN]), str(OFFERS[B]))
    assert told.assists == [by]


def test_other_models_are_told_by_partner() -> None:
    now = decision_of(1, [touch_at(2, OWN, None), touch_at(3, B, None)])
    told = explained(decisions=[now], alternatives=alternatives(now, offers()))
    given = {
        one.model: {c.partner_id: c.share.fraction for c in one.credits}
        for one in told.alternatives
    }
    assert given["first"] == {OWN: "1/1"}
    assert given["last"] == {B: "1/1"}
    assert given["linear"] == {OWN: "1/2", B: "1/2"}


def test_a_text_shows_all_of_it_and_a_partners_text_only_its_own() -> None:
    touches = [touch_at(1, A, "outside_window"), touch_at(2, OWN, None), touch_at(3, B, None)]
    now = decision_of(1, touches)
    shown = _shown(tell_why, _json(explained(alternatives=alternatives(now, offers()))), "ru")
    for part in (REASONS["outside_window"].ru, "1/2 (50.00 %)", "window 1d", f"partner {B}"):
        assert part in shown
    told = for_partner(OWN, [now], offers(), alternatives(now, offers()), {})
    trace = {"explanation": told, "verdict": "pass", "advertiser_said": [], "commission": []}
    own = _shown(tell_partner, _json(trace), "en")
    assert "yours is 50.00 %" in own
    assert "first would have given you 100.00 %" in own
    assert not any(str(partner) in own for partner in FOREIGN)


def test_a_signal_names_its_coupon_or_the_conversion_that_bound_the_customer() -> None:
    for signal, part in (
        (CreditSignal.COUPON, f"the coupon COUPON-OF-{OWN}"),
        (CreditSignal.CUSTOMER, "bound by conversion"),
    ):
        now = decision_of(1, [touch_at(2, OWN, None)], signal)
        assert part in _shown(tell_why, _json(explained(decisions=[now])), "en")


def _json(told: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(text_of(told))
    return found


def _shown(tell: object, told: object, language: str) -> str:
    out = io.StringIO()
    tell(told, Console(file=out, width=1_000), language)  # type: ignore[operator]
    return out.getvalue()


def test_percent_is_rounded_to_two_decimals() -> None:
    assert [percent(Fraction(*one)) for one in ((1, 3), (2, 3), (1, 1), (1, 100_000))] == [
        "33.33",
        "66.67",
        "100.00",
        "0.00",
    ]


def test_A1_rounded_amounts_sum_to_the_rounded_sum() -> None:
    third = SCALE // 3
    assert rounded({1: 2 * SCALE + third + 1, 2: third, 3: third}) == {1: 3, 2: 0, 3: 0}
    assert rounded({1: -5 * SCALE // 2, 2: 5 * SCALE // 2}) == {1: -2, 2: 2}


def test_a_report_moves_what_one_loses_to_others_and_says_what_is_lost() -> None:
    sums = Sums(
        conversions=3,
        only_real=1,
        only_shadow=0,
        credited={1: (3 * SCALE, SCALE), 2: (0, SCALE)},
        amounts={
            (1, "EUR"): Amounts(3_000 * SCALE, 1_000 * SCALE, 300 * SCALE, 100 * SCALE),
            (2, "EUR"): Amounts(0, 1_000 * SCALE, 0, 100 * SCALE),
        },
        lost={"EUR": 100},
    )
    told = report(7, "first", None, sums)
    assert [(row.partner, row.commission_moved) for row in told.rows] == [(1, "-2.00"), (2, "1.00")]
    assert (told.totals[0].commission_moved, told.totals[0].commission_lost) == ("-1.00", "1.00")
    assert told.rows[0].conversions_real == "3.0000"


def test_instants_are_shown_in_utc() -> None:
    assert explained().occurred_at == "2023-11-15T01:00:00Z"
