"""docs/state.md: its lines run as they stand, its names are the code's."""

from __future__ import annotations

import re
from pathlib import Path

from afflux.runtime.paths import ROOT
from afflux.runtime.settings import Settings
from tests.support.documents import run_document

TEXT = (ROOT / "docs" / "state.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_setting_it_names_is_one() -> None:
    named = set(re.findall(r"AFFLUX_([A-Z_]+)", TEXT)) - {"HOME"}
    assert named and {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_document_works_as_it_stands(home: Path) -> None:
    done = run_document(home, "set -ex\n" + "\n".join(BLOCK.findall(TEXT)), 280)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert "whole" in done.stdout and "state_restored" in done.stdout
    assert "partition 0: goes on from checkpoint 1" in done.stdout
    assert "partition 1: goes on from the log" in done.stdout
    assert "every law checked holds" in said
