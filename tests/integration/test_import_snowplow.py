"""The public Snowplow sample, from `afflux import` to the end of the pipeline.

What is expected is computed here from the CSV with the standard library alone: for each purchase
the channel of the visitor's last page view at or before it.
"""

from __future__ import annotations

import asyncio
import csv
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import httpx
from typer.testing import CliRunner

from afflux.cli.main import build
from afflux.kernel.catalog import Partner
from afflux.kernel.events import Click, Decision, LedgerEntry
from afflux.kernel.types import Millis
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.settings import Settings
from tests.conftest import StackMaker

SNOWPLOW = Path(__file__).parents[2] / "examples" / "snowplow"
CHANNELS = {
    ("(none)", "(direct)"): "Direct",
    ("organic", "google"): "Organic Search",
    ("cpc", "google"): "Paid Search",
    ("referral", "youtube.com"): "Video",
    ("referral", "support.google.com"): "Referral",
    ("referral", "analytics.google.com"): "Referral",
    ("referral", "quora.com"): "Referral",
    ("affiliate", "Partners"): "Affiliate",
}
REVENUE, COMMISSION = Decimal("0.10"), Decimal("0.06")
KPIS = ("clicks_valid", "conversions_approved", "order_value", "revenue", "commission")
DEADLINE_S = 90.0


@dataclass
class Sums:
    """What one channel has."""

    clicks: int = 0
    conversions: int = 0
    order_value: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)


def at(row: dict[str, str]) -> datetime:
    return datetime.fromisoformat(row["derived_tstamp"])


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def expected() -> dict[str, Sums]:
    with (SNOWPLOW / "events.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    views = defaultdict(list)
    sums: dict[str, Sums] = defaultdict(Sums)
    for row in rows:
        if row["event_name"] == "page_view":
            views[row["domain_userid"]].append(row)
            sums[CHANNELS[row["mkt_medium"], row["mkt_source"]]].clicks += 1
    for row in rows:
        if row["tr_total"]:
            seen = [view for view in views[row["domain_userid"]] if at(view) <= at(row)]
            last = max(seen, key=at)
            own = sums[CHANNELS[last["mkt_medium"], last["mkt_source"]]]
            value = Decimal(row["tr_total"])
            own.conversions += 1
            own.order_value += value
            own.revenue += cents(value * REVENUE)
            own.commission += cents(value * COMMISSION)
    return dict(sums)


def test_the_expectation_agrees_with_the_published_last_touch_table() -> None:
    found = {
        name: (s.conversions, s.order_value) for name, s in expected().items() if s.conversions
    }
    assert found == {
        "Direct": (4, Decimal("234.42")),
        "Organic Search": (1, Decimal("66.5")),
        "Video": (1, Decimal("200.0")),
    }
    clicks = Counter({name: sums.clicks for name, sums in expected().items()})
    assert clicks == Counter(
        {
            "Direct": 46,
            "Organic Search": 39,
            "Paid Search": 3,
            "Video": 3,
            "Referral": 5,
            "Affiliate": 1,
        }
    )


def test_the_sample_is_attributed_and_paid_as_its_sums_say(make_stack: StackMaker) -> None:
    stack = make_stack(["stream=screen+attribution+assess+payouts", "analytics"])
    home = ["--home", str(stack.home)]
    run("catalog", "apply", str(SNOWPLOW / "catalog.yaml"), *home)
    for kind in ("clicks", "conversions"):
        path = str(SNOWPLOW / f"{kind}.map.yaml")
        run("import", kind, str(SNOWPLOW / "events.csv"), "--map", path, *home)

    want = expected()
    until(lambda: asyncio.run(paid(stack.settings)) == want)
    until(lambda: reported(stack.settings) == want)


async def paid(settings: Settings) -> dict[str, Sums]:
    """Return what stands in the topics: clicks, decisions, and the ledger's entries."""
    catalog = await load_catalog(settings)
    names = {each.id: each.name for each, _ in catalog.all(Partner, now_ms(), Millis(2**62))}
    sums: dict[str, Sums] = defaultdict(Sums)
    newest: dict[bytes, Decision] = {}
    topics = [Click.topic, Decision.topic, LedgerEntry.topic]
    async for records in read_topic(settings, topics, Codec.load()):
        for record in records:
            match record.event:
                case Click() as click:
                    sums[names[click.partner_id]].clicks += 1
                case Decision() as decision:
                    known = newest.get(decision.conversion_key)
                    if known is None or known.version < decision.version:
                        newest[decision.conversion_key] = decision
                case LedgerEntry() as entry:
                    own = sums[names[entry.partner_id or 0]]
                    own.revenue += flow(entry, "advertiser:")
                    own.commission += flow(entry, "partner:")
    for decision in newest.values():
        for share in decision.shares:
            sums[names[share.partner_id]].conversions += 1
            sums[names[share.partner_id]].order_value += Decimal(decision.value_minor or 0) / 100
    return dict(sums)


def reported(settings: Settings) -> dict[str, Sums]:
    """Return what the KPI API says."""
    catalog = asyncio.run(load_catalog(settings))
    names = {each.id: each.name for each, _ in catalog.all(Partner, now_ms(), Millis(2**62))}
    asked = {"by": "partner", "where": "advertiser=900", "kpis": ",".join(KPIS)}
    answer = httpx.get(f"{settings.kpi_url}/v1/kpi", params=asked, timeout=30)
    assert answer.status_code == 200, answer.text
    return {
        names[row["partner"]]: Sums(
            row["clicks_valid"],
            row["conversions_approved"],
            Decimal(row["order_value"] or 0),
            Decimal(row["revenue"] or 0),
            Decimal(row["commission"] or 0),
        )
        for row in answer.json()["rows"]
    }


def flow(entry: LedgerEntry, accounts: str) -> Decimal:
    """Return what an entry adds to what advertisers owe, or to what partners have earned."""
    into, out = entry.credit.startswith(accounts), entry.debit.startswith(accounts)
    sign = (into - out) if accounts == "partner:" else (out - into)
    return Decimal(sign * entry.amount_minor) / 100


def run(*args: str) -> None:
    done = CliRunner().invoke(build([args[0]]), args)
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; the test fails with the last difference when it never does."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "the pipeline did not get there"
        time.sleep(0.5)
