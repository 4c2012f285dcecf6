"""Snowplow's fractribution package, from its events to its tables, through our import and log."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from afflux.cli.main import build
from afflux.runtime.supervise.stack import Stack
from services.attribution.paths.frames import Layout
from services.attribution.paths.history import Scope, read_journeys
from services.attribution.paths.journeys import with_repeats
from services.attribution.paths.models import MODELS, Options
from services.attribution.paths.reading import read_paths
from services.attribution.paths.repeats import Repeats
from tests.fractribution import (
    ANSWERS,
    SNOWPLOW,
    History,
    afflux,
    answers,
    exported,
    models,
    read_history,
)
from tests.support.engines import temporary_home

MAPS = {"clicks": ANSWERS / "clicks.map.yaml", "conversions": SNOWPLOW / "conversions.map.yaml"}
QUICK = {"AFFLUX_CATALOG_LEAD_MS": "400"}
OURS = {"shapley": "shapley-cr", "last_touch": "last"}
"""The package's models, and what we call them."""
TOLERANCE = 1e-9
REMOVAL_EFFECTS = {
    "Direct": 2 / 3,
    "Organic_Search": 13 / 62,
    "Video": 1 / 6,
    "Referral": 2 / 93,
    "Paid_Search_Other": 0.0,
    "Unmatched_Channel": 0.0,
}
"""Worked out in fractions from the table of path summaries."""
LOOKBACK_MS = 30 * 86_400_000


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home, Stack(home, [], free_ports=True, env=QUICK) as running:
        afflux(running, "catalog", "apply", str(SNOWPLOW / "catalog.yaml"))
        for kind, file in MAPS.items():
            afflux(running, "import", kind, str(SNOWPLOW / "events.csv"), "--map", str(file))
        yield running


@pytest.fixture(scope="module")
def summary(stack: Stack) -> Path:
    file = stack.home / "paths.csv"
    words = ["paths", "--offer", "9001", "--repeats", "collapse", "--out", str(file)]
    afflux(stack, "attribution", *words)
    return file


@pytest.fixture(scope="module")
def history(stack: Stack) -> History:
    return asyncio.run(read_history(stack.settings))


def at(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def test_sessions_are_the_package_s(history: History) -> None:
    found = Counter(
        (
            history.customers[click.visitor_key],
            at(click.occurred_at),
            history.partners[click.partner_id],
            click.sub[0],
            click.source,
            click.sub[1],
        )
        for click in history.clicks
    )
    names = ("customer_id", "visit_start_tstamp", "channel", "campaign", "source", "medium")
    wanted = answers("sessions_by_customer_id")
    assert found == Counter(tuple(row[name] for name in names) for row in wanted)


def test_channel_counts_are_the_package_s(history: History) -> None:
    found = Counter(
        (history.partners[click.partner_id], click.sub[0], click.source, click.sub[1])
        for click in history.clicks
    )
    assert found == {
        (row["channel"], row["campaign"], row["source"], row["medium"]): int(
            row["number_of_sessions"]
        )
        for row in answers("channel_counts")
    }


def test_conversions_are_the_package_s(history: History) -> None:
    found = Counter(
        (
            history.customers[conversion.visitor_key or b""],
            f"{at(conversion.occurred_at)}.000",
            (conversion.value_minor or 0) / 100,
        )
        for conversion in history.conversions
    )
    assert found == Counter(
        (row["customer_id"], row["conversion_tstamp"], float(row["revenue"]))
        for row in answers("conversions_by_customer_id")
    )


@pytest.fixture(scope="module")
def journeys(stack: Stack, history: History) -> pl.DataFrame:
    scope = Scope(offer_id=9001, lookback_ms=LOOKBACK_MS)
    name = history.partners
    return asyncio.run(read_journeys(stack.settings, scope, lambda click: name[click.partner_id]))


def test_paths_to_conversion_are_the_package_s(journeys: pl.DataFrame, history: History) -> None:
    assert told(journeys.filter(pl.col("conversions") == 1), history) == Counter(
        (
            row["customer_id"],
            row["conversion_tstamp"],
            float(row["revenue"]),
            row["path"],
            row["transformed_path"],
        )
        for row in answers("paths_to_conversion")
    )


def test_paths_to_non_conversion_are_the_package_s(
    journeys: pl.DataFrame, history: History
) -> None:
    found = told(journeys.filter(pl.col("nulls") == 1), history)
    assert Counter((who, path, shown) for who, _, _, path, shown in found.elements()) == Counter(
        (row["customer_id"], row["path"], row["transformed_path"])
        for row in answers("paths_to_non_conversion")
    )


def told(journeys: pl.DataFrame, history: History) -> Counter[tuple[str, str, float, str, str]]:
    collapsed = with_repeats(journeys, Repeats.COLLAPSE)["path"].list.join(" > ")
    return Counter(
        (history.customers[row["visitor"]], at(row["at"]), row["value"], row["path"], shown)
        for row, shown in zip(
            journeys.with_columns(pl.col("path").list.join(" > ")).iter_rows(named=True),
            collapsed,
            strict=True,
        )
    )


def test_the_path_summary_is_the_package_s(summary: Path) -> None:
    with summary.open(newline="") as file:
        found = [tuple(row.values()) for row in csv.DictReader(file)]
    wanted = [
        (row["transformed_path"], row["conversions"], float(row["revenue"] or 0),
         row["non_conversions"])
        for row in answers("path_summary")
    ]  # fmt: skip
    assert sorted((path, won, float(value), lost) for path, won, value, lost in found) == sorted(
        wanted
    )


def close(rows: Mapping[str, tuple[float, float]]) -> object:
    return {name: pytest.approx(pair, abs=TOLERANCE, rel=0) for name, pair in rows.items()}


@pytest.mark.parametrize("model", OURS)
@pytest.mark.parametrize("table", ["channel_attribution", "report_table"])
def test_attribution_is_the_package_s(summary: Path, model: str, table: str) -> None:
    own = ["--models", OURS[model], "--format", "csv", "--null-column", "total_null"]
    rows = models("--paths", str(summary), "--value-column", "total_conversion_value", *own)
    found = {row["channel"]: (float(row["conversions"]), float(row["value"])) for row in rows}
    wanted = {
        row["channel"]: (float(row["conversions"]), float(row["revenue"]))
        for row in answers(table)
        if row["attribution_type"] == model
    }
    assert found == close(wanted)


@pytest.mark.parametrize("model", OURS)
def test_the_shares_of_every_path_are_the_package_s(summary: Path, model: str) -> None:
    """A path alone has a value of 1, so that the value of a channel is its share of the path."""
    layout = Layout(value="total_conversion_value", nulls="total_null")
    paths = read_paths(summary, layout)
    names = {channel.upper(): at for at, channel in enumerate(paths.channels)}
    written = [
        " > ".join(paths.channels[code] for code in paths.codes[start:end])
        for start, end in pairwise(paths.starts)
    ]
    wanted = [row for row in answers("path_summary_with_channels")
              if row["attribution_type"] == model]  # fmt: skip
    assert sorted(row["transformed_path"] for row in wanted) == sorted(written)
    for row in wanted:
        value = np.zeros(len(written))
        value[written.index(row["transformed_path"])] = 1.0
        shares = MODELS[OURS[model]](replace(paths, value=value), Options()).value
        given = {name: float(row[name.lower()] or 0) for name in names}
        assert {name: round(shares[place], 3) for name, place in names.items()} == given


def test_the_end_of_history_bounds_what_is_known(stack: Stack) -> None:
    """Two purchases before July; who bought later had not converted then."""
    text = afflux(stack, "attribution", "paths", "--offer", "9001", "--to", "2022-07-01")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(row["total_conversions"]) for row in rows) == 2


def test_fit_prints_weights_that_the_catalogue_takes(stack: Stack) -> None:
    words = ["fit", "--offer", "9001", "--model", "markov"]
    printed = afflux(stack, "attribution", *words, "--apply")
    assert "attribution_weights:" in printed and "offer-9001-markov" in printed
    weights = exported(stack)["offer-9001-markov"]
    partners = asyncio.run(read_history(stack.settings)).partners
    named = {partners[int(number)]: float(weight) for number, weight in weights.items()}
    assert named == pytest.approx(REMOVAL_EFFECTS, abs=1e-9)


def test_fit_by_shapley_is_a_version_of_its_own(stack: Stack) -> None:
    words = ["fit", "--offer", "9001", "--model", "shapley", "--id", "spring"]
    first = afflux(stack, "attribution", *words, "--apply")
    assert afflux(stack, "attribution", *words) == first
    partners = asyncio.run(read_history(stack.settings)).partners
    named = {partners[int(number)]: float(w) for number, w in exported(stack)["spring"].items()}
    assert named == {
        "Direct": 0.875,
        "Organic_Search": 0.75,
        "Video": 1.0,
        "Referral": 0.0,
        "Paid_Search_Other": 0.0,
        "Unmatched_Channel": 0.0,
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "--offer", "77", "--model", "markov"], "the catalogue has no offer 77"),
        (["fit", "--offer", "9001", "--model", "markov", "--goal", "lead"], "no goal 'lead'"),
        (["fit", "--offer", "9001", "--model", "markov", "--to", "2022-01-01"], "nothing to fit"),
        (["paths", "--by", "sourse"], "did you mean 'source'?"),
        (["paths", "--sep", "e"], "holds the separator 'e'"),
    ],
)
def test_what_history_cannot_answer_is_refused(stack: Stack, words: list[str], said: str) -> None:
    home = ["--home", str(stack.home)]
    done = CliRunner().invoke(build(["attribution"]), ["attribution", *words, *home])
    assert done.exit_code == 1
    assert said in str(done.exception)
