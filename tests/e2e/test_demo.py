"""The demo as a user runs it: one command, exit code 0, and what it prints works."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from afflux.kernel.events import Channel, Conversion, PartitionReason, Status
from afflux.kernel.events.tracking import Authentication
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.homes import load_home
from afflux.runtime.paths import ROOT
from afflux.runtime.producer import Publisher
from tests.support.engines import temporary_home


class Kept:
    """A demo that was left running, and what it printed."""

    def __init__(self, home: Path, output: str) -> None:
        self.home = home
        self.output = output


def afflux(*words: str, timeout: float = 200) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    command = [sys.executable, "-m", "afflux.cli.main", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    with temporary_home() as folder:
        home = folder / "demo"
        words = ["--home", str(home), "--seconds", "8", "--visitors", "160", "--keep"]
        done = afflux("demo", *words)
        try:
            assert done.returncode == 0, done.stdout + done.stderr
            yield Kept(home, done.stdout)
        finally:
            afflux("down", "--home", str(home))


def test_the_demo_prints_kpis_a_trace_and_a_proof_that_holds(kept: Kept) -> None:
    for part in ("KPIs by partner", "KPIs by offer", "decision", "verdict", "transfer"):
        assert part in kept.output
    assert "every law checked holds" in kept.output
    assert "broken" not in kept.output
    _, _, proof = kept.output.partition("Conservation")
    conserved = re.findall(r"│ (clicks|conversions|adjustments|rejections) +│ +(\d+) ", proof)
    assert len(conserved) == 4
    assert all(int(count) > 0 for _, count in conserved)


def test_the_demo_shows_what_can_go_wrong(kept: Kept) -> None:
    for refusal in ("401", "409 conflicting_report", "400 click_id_forged"):
        assert refusal in kept.output
    answer = afflux("kpi", "--home", str(kept.home), "--json", "--kpis", "all")
    totals = json.loads(answer.stdout)["totals"]
    assert any(row["clicks_invalid"] for row in totals), "bots were flagged"
    assert any(row["conversions_rejected"] for row in totals), "their sales were rejected"


def test_what_the_demo_says_to_try_works_as_it_stands(kept: Kept) -> None:
    lines = [line.partition("#")[0].strip() for line in kept.output.splitlines()]
    tried = 0
    for line in lines:
        words = shlex.split(line) if line.startswith(("curl", ".venv")) else []
        if words[:1] == ["curl"]:
            answer = httpx.get(words[-1], follow_redirects=False)
            assert answer.status_code in (200, 302, 401), line
            tried += 1
        elif words and words[1] != "down":
            assert afflux(*words[1:]).returncode == 0, line
            tried += 1
    assert tried >= 8


def test_a_second_demo_in_a_running_home_is_refused_with_a_sentence(kept: Kept) -> None:
    again = afflux("demo", "--home", str(kept.home))
    assert again.returncode == 1
    assert "afflux down" in again.stderr


def test_a_mismatch_is_named_and_leaves_with_1(kept: Kept) -> None:
    """A conversion that no edge has answered for appears in Kafka: `verify` must say so."""
    settings = load_home(kept.home)
    assert afflux("verify", "--home", str(kept.home)).returncode == 0

    async def smuggle() -> None:
        publisher = Publisher(settings, Codec.load(), "smuggler")
        await publisher.start()
        await publisher.publish([smuggled()])
        await publisher.stop()
        await asyncio.sleep(5)

    asyncio.run(smuggle())
    broken = afflux("verify", "--home", str(kept.home), "--json")
    assert broken.returncode == 1
    named = json.loads(broken.stdout)["broken"]
    assert any(sentence.startswith("conversions: taken in") for sentence in named), named


def smuggled() -> Conversion:
    key = derive("smuggled")
    return Conversion(
        event_id=key,
        occurred_at=Millis(1_760_000_000_000),
        recorded_at=Millis(1_760_000_000_000),
        conversion_key=key,
        body_hash=key,
        advertiser_id=1,
        goal="sale",
        transaction_id="smuggled",
        value_minor=100_000,
        currency="EUR",
        channel=Channel.API,
        authentication=Authentication.NONE,
        status=Status.APPROVED,
        partition_reason=PartitionReason.CONVERSION,
        edge_id="no-edge",
        journal_position=0,
    )


def test_the_demo_refuses_to_empty_a_folder_that_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = afflux("demo", "--home", str(tmp_path))
    assert refused.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
