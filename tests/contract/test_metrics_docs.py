"""The table of metrics in docs/operations.md is the catalogue's."""

from __future__ import annotations

from afflux.runtime.metrics_table import BEGIN, END, metrics_table
from afflux.runtime.paths import ROOT


def test_the_metrics_table_in_the_documents_is_the_catalogue() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert text.partition(BEGIN)[2].partition(END)[0] == metrics_table()
