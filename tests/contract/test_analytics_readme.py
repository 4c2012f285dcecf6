"""The README of analytics shows what the code defines."""

from __future__ import annotations

from afflux.runtime.paths import ROOT
from services.analytics.domain.kpis import markdown
from services.analytics.domain.tables import TABLES

README = (ROOT / "services" / "analytics" / "README.md").read_text()


def test_the_table_of_kpis_is_current() -> None:
    assert markdown() in README


def test_every_topic_is_named() -> None:
    assert all(f"`{topic}`" in README for topic in TABLES)
