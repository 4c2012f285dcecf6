"""Snowplow's fractribution package: its answers, and what our commands say of the same history."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
from typer.testing import CliRunner

from afflux.cli.main import build
from afflux.kernel.catalog import Catalog, Partner
from afflux.kernel.events import Click, Conversion
from afflux.kernel.types import Millis
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack

ROOT = Path(__file__).parents[1]
SNOWPLOW = ROOT / "examples" / "snowplow"
ANSWERS = ROOT / "tests" / "data" / "fractribution"
EVER = 2**62


def answers(name: str) -> list[dict[str, str]]:
    with (ANSWERS / f"{name}.csv").open(newline="") as file:
        return [{key.lower(): value for key, value in row.items()} for row in csv.DictReader(file)]


def afflux(stack: Stack, *args: str) -> str:
    done = CliRunner().invoke(build([args[0]]), [*args, "--home", str(stack.home)])
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return done.stdout


def models(*args: str) -> list[dict[str, str]]:
    done = CliRunner().invoke(build(["attribution"]), ["attribution", "models", *args])
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return list(csv.DictReader(io.StringIO(done.stdout)))


class History(msgspec.Struct):
    """What was imported: clicks, conversions, names of partners and of visitors."""

    clicks: list[Click]
    conversions: list[Conversion]
    partners: dict[int, str]
    customers: dict[bytes, str]


async def read_history(settings: Settings) -> History:
    catalog: Catalog = await load_catalog(settings)
    partners = {each.id: each.name for each, _ in catalog.all(Partner, now_ms(), Millis(EVER))}
    found = History([], [], partners, {})
    async for records in read_topic(settings, [Click.topic, Conversion.topic], Codec.load()):
        for record in records:
            match record.event:
                case Click() as click:
                    found.clicks.append(click)
                    found.customers[click.visitor_key] = f"f{click.sub[2]}"
                case Conversion() as conversion:
                    found.conversions.append(conversion)
    return found


def exported(stack: Stack) -> dict[str, dict[str, str]]:
    catalog = msgspec.json.decode(afflux(stack, "catalog", "export", "--json"))
    return {each["id"]: each["weights"] for each in catalog["attribution_weights"]}
