"""The commands in the journal's part of docs/operations.md do what the text says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from afflux.kernel.events import Conversion
from afflux.runtime.paths import ROOT
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.entries import Kind, wrap
from services.tracking.journal.segment import HEADER_SIZE, frame, segments
from services.tracking.journal.store import Store
from tests.tracking_samples import context

TEXT = (
    (ROOT / "docs" / "operations.md").read_text().partition("## Journal")[2].partition("\n## ")[0]
)
INSPECT, REPAIR = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def run(home: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the documents against the journal of a home, without any stack."""
    shell = f'afflux() {{ "{sys.executable}" -m afflux.cli.main "$@"; }}\n{command}'
    there = {"AFFLUX_HOME": str(home), "AFFLUX_KAFKA": "nowhere:1", "AFFLUX_POSTGRES": "nowhere"}
    env = {**os.environ, **there, "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-c", shell], env=env, capture_output=True, text=True, check=False, cwd=ROOT
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose edge took conversions and was killed while it wrote."""
    store = Store(tmp_path / "journal" / "edge-1", 1_000)
    for number in range(12):
        event = build_conversion({"txn_id": f"t{number}", "goal": "sale"}, context())
        assert isinstance(event, Conversion)
        kind, payload = wrap(event)
        store.write([frame(kind, payload)], [kind])
    store.close()
    return tmp_path


def newest_first(home: Path) -> list[Path]:
    return segments(home / "journal" / "edge-1")[::-1]


def test_inspect_shows_segments_and_records(home: Path) -> None:
    plain, as_json = INSPECT.strip().splitlines()
    done = run(home, plain)
    assert done.returncode == 0, done.stderr
    assert all(path.name in done.stdout for path in newest_first(home))
    assert "12 records are not, the oldest for" in done.stdout
    told = json.loads(run(home, as_json).stdout)
    assert [one["fields"]["transaction_id"] for one in told["records"]] == ["t9", "t10", "t11"]
    assert told["unshipped"] == 12 and not told["damaged"]
    assert sum(one["records"]["conversion"] for one in told["segments"]) == 12


def test_a_torn_end_is_no_damage(home: Path) -> None:
    newest, *_ = newest_first(home)
    size = newest.stat().st_size
    with newest.open("ab") as file:
        file.write(frame(Kind.CLICK, b"cut off")[:-1])
    done = run(home, "afflux journal inspect")
    assert done.returncode == 0 and f"torn at byte {size}" in done.stdout


def test_damage_is_named_and_repaired(home: Path) -> None:
    oldest = newest_first(home)[-1]
    data = bytearray(oldest.read_bytes())
    data[HEADER_SIZE + 30] ^= 1
    oldest.write_bytes(data)
    done = run(home, "afflux journal inspect")
    assert done.returncode == 1 and f"damaged at byte {HEADER_SIZE}" in done.stdout
    done = run(home, REPAIR)
    assert done.returncode == 0 and "1 lost" in done.stdout
    assert list(oldest.parent.glob("*.damaged")) == [oldest.with_suffix(f".{HEADER_SIZE}.damaged")]
    done = run(home, "afflux journal inspect")
    assert done.returncode == 0 and "whole, 1 lost" in done.stdout
    assert "nothing to repair" in run(home, REPAIR).stderr


def test_wrong_use_is_told(home: Path) -> None:
    assert run(home, "afflux journal inspect --kind visit").returncode == 2
    assert run(home, f"afflux journal inspect {home} --edge-id edge-1").returncode == 2
    done = run(home, "afflux journal inspect --edge-id edge-9")
    assert done.returncode == 1 and "there is no journal in" in done.stderr
