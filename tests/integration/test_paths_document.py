"""docs/attribution-paths.md: its worked example, run as it stands."""

from __future__ import annotations

import csv
import io
import re
from fractions import Fraction
from pathlib import Path

import pytest

from afflux.runtime.paths import ROOT
from services.attribution.paths.models import MODELS
from tests.support.documents import run_document

TEXT = (ROOT / "docs" / "attribution-paths.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^\| `([a-z-]+)` \| ([\d/]+) \| ([\d/]+) \|", re.MULTILINE)


def test_the_worked_example_prints_what_its_table_says(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (script,) = BLOCK.findall(TEXT)
    done = run_document(home, f"set -e\n{script}", 120)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    found = {(row["model"], row["channel"]): float(row["conversions"]) for row in rows}
    wanted = {}
    for model, search, email in LINE.findall(TEXT):
        wanted[model, "search"] = float(Fraction(search))
        wanted[model, "email"] = float(Fraction(email))
    assert len(wanted) == 18
    assert found == pytest.approx(wanted, abs=1e-9, rel=0)


def test_every_model_is_described() -> None:
    assert [name for name in MODELS if f"`{name}`" not in TEXT] == []
