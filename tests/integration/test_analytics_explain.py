"""Traces and trial runs over a column store: rows become decisions again, reports exact sums."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from fractions import Fraction

import httpx
import pytest
import pytest_asyncio

from afflux.kernel.events import (
    Assessment,
    Decision,
    Event,
    LedgerEntry,
    Redecision,
    ShadowDecision,
)
from afflux.kernel.ids import derive
from afflux.kernel.money import major
from afflux.kernel.outcome import Emit
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from services.analytics.api import api_app
from services.analytics.decisions import decisions_of
from services.analytics.domain import erasure
from services.analytics.explain import Explainer
from services.analytics.shadow import ShadowQuery, shadow_report
from services.analytics.warehouse import Warehouse
from services.attribution.domain.alternatives import alternatives
from services.fraud.process import process_decision
from tests.fraud_samples import Known
from tests.support.warehouses import fill, open_warehouse
from tests.trial_runs import PARTNERS, TRIALS, a_catalog, a_log, entries, ledger, run

CODEC = Codec.load()
VIEW = a_catalog(*TRIALS)
LOG = a_log(6)


class World:
    """What the services published, and a store that holds it."""

    def __init__(self, warehouse: Warehouse, published: Sequence[Event]) -> None:
        self.warehouse = warehouse
        self.decisions: dict[bytes, list[Decision]] = defaultdict(list)
        for event in published:
            if isinstance(event, Decision):
                self.decisions[event.conversion_key].append(event)
        self.trials = [one for one in published if isinstance(one, ShadowDecision)]
        self.entries = [one for one in published if isinstance(one, LedgerEntry)]
        explainer = Explainer(Known(VIEW), alternatives, 1_000)
        app = api_app(warehouse, None, explainer)  # type: ignore[arg-type]  # no bounds are asked
        transport = httpx.ASGITransport(app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://kpi")

    def now(self, key: bytes) -> Decision:
        """The decision that stands."""
        return self.decisions[key][-1]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    published = await run(VIEW, LOG, tmp_path_factory.mktemp("state"))
    assessments = [
        assessment
        for decision in published
        if isinstance(decision, Decision)
        for outcome in [process_decision(decision, VIEW)]
        if isinstance(outcome, Emit)
        for assessment in outcome.events
        if isinstance(assessment, Assessment)
    ]
    everything = [*published, *assessments, *entries(ledger(VIEW, published))]
    async with open_warehouse() as opened:
        # As published, then some of it again: no answer may change by it.
        log = [*LOG.clicks, *LOG.conversions, *everything]
        await fill(opened, CODEC, [*log, *everything[::3]])
        made = World(opened, everything)
        yield made
        await made.client.aclose()


async def test_rows_become_the_decisions_they_were(world: World) -> None:
    assert len(world.decisions) > 60
    assert max(map(len, world.decisions.values())) > 1
    for key, versions in world.decisions.items():
        assert await decisions_of(world.warehouse, key) == versions


async def test_A4_the_api_explains_every_touch_of_every_conversion(world: World) -> None:
    for key in list(world.decisions)[:25]:
        answer = (await world.client.get(f"/v1/conversions/{key.hex()}/trace")).json()
        told, now = answer["explanation"], world.now(key)
        assert [one["touch_id"] for one in told["touches"]] == [
            one.click_id.hex() for one in now.touches
        ]
        assert all(bool(one["share"]) != bool(one["reason"]) for one in told["touches"])
        assert len(told["versions"]) == len(world.decisions[key])
        trials = {one.model for one in world.trials if one.decision_id == now.event_id}
        assert {one["model"] for one in told["shadows"]} == trials
        assert {one["click_id"] for one in answer["clicks"]} >= {
            one.click_id.hex() for one in now.touches
        }
    assert (await world.client.get(f"/v1/trace/{key.hex()}")).json() == answer


async def test_what_is_not_decided_is_not_explained(world: World) -> None:
    answer = await world.client.get(f"/v1/conversions/{'0' * 32}/trace")
    assert answer.json()["explanation"] is None
    assert (await world.client.get("/v1/conversions/zz/trace")).status_code == 422


async def test_who_asked_to_decide_again_is_told(world: World) -> None:
    key = next(iter(world.decisions))
    now = world.now(key)
    at = Millis(now.reported_at + 5)
    report = next(one for one in LOG.conversions if one.conversion_key == key)
    asked = Redecision(
        event_id=derive("asked", key),
        occurred_at=at,
        recorded_at=at,
        known_at=at,
        author="ann",
        reason_text="the window was too short",
        conversion=report,
    )
    replace = {"version": now.version + 1, "terms_known_at": at, "event_id": derive("again", key)}
    again = type(now)(**{**{f: getattr(now, f) for f in now.__struct_fields__}, **replace})
    await fill(world.warehouse, CODEC, [asked, again])
    world.decisions[key].append(again)
    answer = (await world.client.get(f"/v1/conversions/{key.hex()}/trace")).json()
    last = answer["explanation"]["versions"][-1]
    assert (last["asked_by"], last["asked_because"]) == ("ann", "the window was too short")
    assert answer["redecisions"][0]["conversion_key"] == key.hex()


async def test_K4_a_partner_sees_its_own_and_is_refused_what_it_had_no_touch_in(
    world: World,
) -> None:
    seen = refused = 0
    for key in list(world.decisions)[:25]:
        for partner in PARTNERS:
            path = f"/v1/partners/{partner}/conversions/{key.hex()}/trace"
            answer = await world.client.get(path)
            own = any(
                one.partner_id == partner
                for version in world.decisions[key]
                for one in (*version.shares, *version.touches)
                if getattr(one, "reason", None) != "other_advertiser"
            )
            assert answer.status_code == (200 if own else 404)
            seen, refused = seen + own, refused + (not own)
            for click in foreign_clicks(world.now(key), partner) if own else ():
                assert click.hex() not in answer.text
    assert seen > 20
    assert refused > 20
    nobody = await world.client.get(f"/v1/partners/1/conversions/{'0' * 32}/trace")
    assert nobody.status_code == 404


def foreign_clicks(now: Decision, partner: int) -> list[bytes]:
    return [touch.click_id for touch in now.touches if touch.partner_id != partner]


async def test_a_partner_sees_the_commission_that_moved_to_it_and_no_other_money(
    world: World,
) -> None:
    for entry in world.entries[:40]:
        key, partner = entry.conversion_key, entry.partner_id
        assert key is not None
        path = f"/v1/partners/{partner}/conversions/{key.hex()}/trace"
        told = (await world.client.get(path)).json()
        own = f"partner:{partner}:"
        moved = [
            major(one.amount_minor, one.currency)
            for one in world.entries
            if one.conversion_key == key and (own in one.debit or own in one.credit)
        ]
        assert [one["amount"] for one in told["commission"]] == moved
        assert "network" not in json.dumps(told)
        assert "receivable" not in json.dumps(told)


def expected(world: World, offer: int, model: str) -> dict[int, list[Fraction]]:
    """By partner: conversions, commission in minor units; real, then on trial."""
    found: dict[int, list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 4)
    for key in world.decisions:
        now = world.now(key)
        trial = next(
            (t for t in world.trials if (t.decision_id, t.model) == (now.event_id, model)), None
        )
        if trial is None or now.offer_id != offer:
            continue
        money: dict[int, int] = defaultdict(int)
        for one in world.entries:
            if one.conversion_key == key and one.partner_id is not None:
                sign = one.credit.startswith("partner:") - one.debit.startswith("partner:")
                money[one.partner_id] += sign * one.amount_minor
        whole = sum(money.values())
        for partner, minor in money.items():
            found[partner][2] += minor
        for share in trial.real_shares:
            found[share.partner_id][0] += Fraction(share.numerator, share.denominator)
        for share in trial.shares:
            part = Fraction(share.numerator, share.denominator)
            found[share.partner_id][1] += part
            found[share.partner_id][3] += whole * part
    return found


@pytest.mark.parametrize(
    ("offer", "model"), [(7, "linear"), (7, "first"), (7, "time_decay"), (8, "position")]
)
async def test_K3_a_trials_report_equals_a_sum_of_fractions_in_python(
    world: World, offer: int, model: str
) -> None:
    told = await shadow_report(world.warehouse, ShadowQuery(offer, model))
    wanted = expected(world, offer, model)
    assert {row.partner for row in told.rows} == {p for p, parts in wanted.items() if any(parts)}
    assert len(told.rows) > 3
    for row in told.rows:
        real, trial, commission, would = wanted[row.partner]
        assert abs(Fraction(row.conversions_real) - real) <= Fraction(1, 10_000)
        assert abs(Fraction(row.conversions_shadow) - trial) <= Fraction(1, 10_000)
        if row.commission_real is not None and row.commission_shadow is not None:
            assert Fraction(row.commission_real) * 100 == commission
            assert abs(Fraction(row.commission_shadow) * 100 - would) <= 1
    total = told.totals[0]
    lost = Fraction(total.commission_lost)
    moved = [Fraction(row.commission_moved or 0) for row in told.rows]
    assert sum(moved) == Fraction(total.commission_moved) == -lost
    assert any(moved) or model == "last"


async def test_a_report_is_of_the_conversions_of_its_goal_and_time(world: World) -> None:
    whole = await shadow_report(world.warehouse, ShadowQuery(7, "linear"))
    parts = [
        await shadow_report(world.warehouse, ShadowQuery(7, "linear", g)) for g in ("sale", "lead")
    ]
    assert whole.conversions == sum(part.conversions for part in parts)
    assert all(part.conversions for part in parts)
    assert (
        await shadow_report(world.warehouse, ShadowQuery(7, "linear", None, None, Millis(1)))
    ).rows == []
    assert (await shadow_report(world.warehouse, ShadowQuery(9, "linear"))).rows == []


async def test_the_api_reports_trials_as_json_and_csv(world: World) -> None:
    asked = {"offer": "7", "model": "linear", "goal": "sale"}
    shown = (await world.client.get("/v1/kpi/shadow", params=asked)).json()
    csv = (await world.client.get("/v1/kpi/shadow", params={**asked, "format": "csv"})).text
    assert len(csv.strip().splitlines()) == len(shown["rows"]) + 1
    wrong = await world.client.get("/v1/kpi/shadow", params={**asked, "from": "yesterday"})
    assert wrong.status_code == 422


async def test_T5_an_erased_conversion_is_explained_without_its_touches(world: World) -> None:
    key = next(key for key in world.decisions if world.now(key).shares and world.now(key).touches)
    now = world.now(key)
    await world.warehouse.run(erasure.blank_sql([key]))
    told = (await world.client.get(f"/v1/conversions/{key.hex()}/trace")).json()["explanation"]
    assert told["touches"] == []
    assert [one["partner_id"] for one in told["credits"]] == sorted(
        {share.partner_id for share in now.shares}
    )
    partner = now.shares[0].partner_id
    path = f"/v1/partners/{partner}/conversions/{key.hex()}/trace"
    assert (await world.client.get(path)).json()["explanation"]["credited"] is True
