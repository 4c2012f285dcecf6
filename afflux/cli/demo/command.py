"""The command: set up, send, wait, print, prove, stop."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from afflux.cli.asking import ask
from afflux.cli.demo.drain import drain
from afflux.cli.demo.drive import Answers, Driver
from afflux.cli.demo.plan import Shelf, Story, make_plan
from afflux.cli.demo.reports import Sender
from afflux.cli.demo.second_edge import SecondEdge
from afflux.cli.demo.show import differences, hints, show_answers
from afflux.cli.errors import Refused
from afflux.cli.kpi import kpi_table
from afflux.cli.proof.gather import journals
from afflux.cli.stack import down
from afflux.cli.trace import show_trace
from afflux.cli.up import start_detached
from afflux.cli.verify import prove, show
from afflux.cli.wide import wide_console
from afflux.kernel.catalog import Catalog, Link, Offer
from afflux.runtime.catalog_file import CatalogFile
from afflux.runtime.catalog_store import apply_plan, load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import home_folder, load_home
from afflux.runtime.paths import ROOT
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.lock import holder

CATALOG = ROOT / "examples" / "demo" / "catalog.yaml"
_DRAIN_S = 90.0
_TELL_S = 4.0
_TRACED = "partial_refund"
_KPIS = "clicks_gross,clicks_valid,conversions,cr,revenue,commission,margin,epc"


def demo(
    home: Annotated[Path, typer.Option(help="Folder of the demo; it is emptied first.")] = Path(
        ".afflux/demo"
    ),
    seconds: Annotated[float, typer.Option(min=2, help="How long traffic is sent.")] = 30,
    visitors: Annotated[int, typer.Option(min=20, help="How many visitors come.")] = 1500,
    seed: Annotated[int, typer.Option(help="The same seed plans the same traffic.")] = 7,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running.")] = False,
) -> None:
    """Start everything, send real traffic, print KPIs, a trace and the proof, stop everything.

    Leaves with 0 only if every law checked holds.

    Example: afflux demo --seconds 10 --visitors 300
    """
    folder = home_folder(home)
    _empty(folder)
    started = time.monotonic()
    _say("starting Kafka, PostgreSQL, ClickHouse's engine and the services")
    start_detached(folder, True, "", {})
    try:
        _say(f"everything runs after {time.monotonic() - started:.0f} s")
        settings = load_home(folder)
        broken = asyncio.run(_run(settings, folder, _plan(settings, seed, seconds, visitors)))
        _say(f"{time.monotonic() - started:.0f} s in all")
        if keep:
            typer.echo(hints(settings, folder))
    finally:
        if not keep:
            down(folder)
    for sentence in broken:
        typer.secho(f"broken: {sentence}", fg="red", err=True)
    raise typer.Exit(1 if broken else 0)


def _empty(folder: Path) -> None:
    if (pid := holder(folder)) is not None:
        raise Refused(f"a stack runs in {folder} (process {pid}); stop it with `afflux down`")
    if folder.exists() and any(folder.iterdir()) and not (folder / "run").exists():
        raise Refused(f"{folder} is no home of a stack; the demo would empty it")
    shutil.rmtree(folder, ignore_errors=True)


def _plan(settings: Settings, seed: int, seconds: float, visitors: int) -> list[Story]:
    declared = CatalogFile(CATALOG)
    applied = asyncio.run(apply_plan(settings, declared.plan, "demo", declared.declaration.reason))
    _say(f"catalogue applied: {len(applied.plan.steps)} entities, known from now on")
    return make_plan(shelf(asyncio.run(load_catalog(settings))), seed, seconds, visitors)


def shelf(catalog: Catalog) -> Shelf:
    """Return every link that can be promoted, in the order of ids."""
    now = now_ms()
    links = sorted((link for link, _ in catalog.all(Link, now, now)), key=lambda link: link.id)
    offers = ((link, catalog.find(Offer, link.offer_id, now, now)) for link in links)
    return Shelf([(link, offer) for link, offer in offers if offer is not None])


async def _run(settings: Settings, home: Path, stories: list[Story]) -> list[str]:
    with SecondEdge(home) as second:
        answers = await _drive(settings, second, stories)
        _say("traffic has ended; waiting until all of it is through")
        await drain(settings, home, second.shipper_port, _DRAIN_S, _say)
    console = wide_console()
    show_answers(answers, console)
    for dimension in ("partner", "offer"):
        console.print(f"\n[italic]KPIs by {dimension}[/]")
        answer = await asyncio.to_thread(
            ask, settings.kpi_url, "/v1/kpi", [("by", dimension), ("kpis", _KPIS)]
        )
        console.print(kpi_table(json.loads(answer)))
    await _show_one(settings, console, answers)
    proof = await prove(settings)
    show(proof, console)
    return [*differences(answers, journals(settings)), *proof.broken]


async def _drive(settings: Settings, second: SecondEdge, stories: list[Story]) -> Answers:
    sender = Sender(settings.secret.get_secret_value().encode())
    driver = Driver([settings.edge_url, second.url], sender)
    length = max(story.start_s for story in stories)
    told = 0.0
    shipping: list[asyncio.Task[None]] = []

    def tell(passed: float) -> None:
        nonlocal told
        if not shipping and passed > length / 2:
            _say("the second edge gets its connection to Kafka: parked sales find their clicks")
            shipping.append(asyncio.create_task(asyncio.to_thread(second.ship)))
        if passed - told >= _TELL_S:
            told = passed
            counts = driver.answers.counts
            _say(f"{passed:3.0f} s: {counts['clicks']} clicks, {counts['conversions']} conversions")

    await driver.play(stories, tell)
    await asyncio.gather(*shipping)
    return driver.answers


async def _show_one(settings: Settings, console: Console, answers: Answers) -> None:
    told = [one for one in answers.traceable if one[0] == _TRACED] or answers.traceable
    if told:
        _, advertiser, transaction = told[0]
        await show_trace(settings, console, advertiser, transaction)


def _say(sentence: str) -> None:
    typer.echo(f"demo: {sentence}", err=True)
