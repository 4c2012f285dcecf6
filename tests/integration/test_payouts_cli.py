"""`afflux ledger`: what people see of the ledger."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from afflux.cli.ledger import app
from afflux.kernel.events import AdjustmentKind
from afflux.runtime.migrate import migrate_postgres
from tests.payouts_samples import DAY, T0, adjustment, assessment, share
from tests.payouts_stage import feeding

HOLD = T0 + 30 * DAY


async def _fill(dsn: str) -> None:
    async with feeding(dsn) as feeder:
        await feeder.feed(assessment("t1"), assessment("t2", [share(102)]), now=T0)
        await feeder.feed(now=HOLD)
        await feeder.feed(adjustment(AdjustmentKind.REFUND, 2_500), now=HOLD + DAY)


@pytest.fixture
def filled(fresh_postgres: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate_postgres(fresh_postgres)
    asyncio.run(_fill(fresh_postgres))
    monkeypatch.setenv("AFFLUX_POSTGRES", fresh_postgres)
    monkeypatch.setenv("AFFLUX_KAFKA", "127.0.0.1:9")
    monkeypatch.setenv("AFFLUX_HOME", str(home))


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.usefixtures("filled")
def test_balances_entries_and_statement_agree() -> None:
    balances = json.loads(run("balances", "--json"))
    found = {f"{row['account']} {row['currency']}": row["minor"] for row in balances}
    assert found == {
        "advertiser:1:receivable EUR": -2100,
        "network:fx EUR": 800,
        "network:fx USD": -868,
        "network:margin EUR": 700,
        "partner:100:available EUR": 600,
        "partner:102:available USD": 868,
    }
    entries = list(
        csv.DictReader(io.StringIO(run("entries", "--partner", "100", "--format", "csv")))
    )
    assert [(row["kind"], row["amount"]) for row in entries] == [
        ("revenue", "12.00"),
        ("commission", "8.00"),
        ("release", "8.00"),
        ("revenue_reversal", "3.00"),
        ("commission_reversal", "2.00"),
    ]
    (statement,) = json.loads(run("statement", "--partner", "100", "--json"))
    assert (statement["opening"]["due"], statement["closing"]["due"]) == (0, 600)
    assert len(statement["lines"]) == 3
    assert "closing" in run("statement", "--partner", "102", "--currency", "USD")
    assert "network:margin" in run("balances")
    assert "commission_reversal" in run("entries", "--partner", "100", "--json")


def test_every_command_has_help_with_an_example() -> None:
    for command in ("balances", "entries", "statement"):
        assert "Example: afflux ledger" in run(command, "--help")
