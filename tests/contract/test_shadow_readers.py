"""Trial runs are for people: nobody on the way of the money reads them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from afflux.kernel.events import ShadowDecision
from afflux.runtime.paths import ROOT
from services.analytics.domain.tables import TOPICS as ANALYTICS
from services.attribution.stage import AttributionStage
from services.fraud.assess_stage import AssessStage
from services.fraud.screen_stage import ScreenStage
from services.notify.stage import NotifyStage
from services.payouts.process import TOPICS as PAYOUTS

TOPIC = ShadowDecision.topic
READERS = {
    "attribution": AttributionStage.topics,
    "assess": AssessStage.topics,
    "screen": ScreenStage.topics,
    "payouts": PAYOUTS,
    "notify": NotifyStage.topics,
}


@pytest.mark.parametrize("reader", READERS)
def test_nobody_on_the_way_of_the_money_reads_trial_runs(reader: str) -> None:
    assert READERS[reader]
    assert TOPIC not in READERS[reader]


def test_analytics_keeps_them() -> None:
    assert TOPIC in ANALYTICS


@pytest.mark.parametrize("service", ["fraud", "payouts", "notify", "tracking"])
def test_the_services_of_the_money_do_not_know_the_event(service: str) -> None:
    """Neither by its name nor by its topic; only attribution makes it."""
    files = list((ROOT / "services" / service).rglob("*.py"))
    assert files
    for file in files:
        assert not _names(file) & {"ShadowDecision", TOPIC}, file


def _names(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Name(id=name) | ast.alias(name=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.Constant(value=str() as text):
                found.add(text)
    return found
