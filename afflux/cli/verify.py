"""`afflux verify`: the conservation table, and the ledger recomputed from the log."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from msgspec import Struct, to_builtins
from rich.console import Console
from rich.table import Table

from afflux.cli.options import Home
from afflux.cli.proof.conservation import STAGES, Line, conservation
from afflux.cli.proof.gather import gather
from afflux.cli.wide import wide_console
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings
from services.analytics.conservation import compare_with_log
from services.payouts.verify import Check, verify_ledger


class Proof(Struct, frozen=True):
    """All that was compared."""

    lines: list[Line]
    mismatches: list[str]
    checks: list[Check]
    digests: dict[str, str]

    @property
    def broken(self) -> list[str]:
        """One sentence for each thing that does not hold."""
        return [
            *(f"{line.what}: {_cells(line)}" for line in self.lines if not line.ok),
            *self.mismatches,
            *(
                f"{check.name} (law {check.law}): expected {check.expected}, found {check.actual}"
                for check in self.checks
                if not check.ok
            ),
        ]


def verify(
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare every stage with the log and recompute the ledger; exit 1 if a law is broken.

    Reads Kafka from the beginning; may run beside live traffic only when that pauses, since the
    stages are asked one after the other.

    Example: afflux verify
    """
    proof = asyncio.run(prove(load_home(home)))
    if as_json:
        typer.echo(json.dumps({**to_builtins(proof), "broken": proof.broken}, indent=1))
    else:
        show(proof, wide_console())
    raise typer.Exit(1 if proof.broken else 0)


async def prove(settings: Settings) -> Proof:
    """Ask every stage, compare, recompute."""
    topics = await compare_with_log(settings)
    ledger = await verify_ledger(settings)
    lines = conservation(await gather(settings, ledger, topics))
    mismatches = [mismatch.text() for mismatch in topics.mismatches]
    return Proof(lines, mismatches, ledger.checks, ledger.digests)


def show(proof: Proof, console: Console) -> None:
    """Print the tables and the verdict."""
    table = Table(title="Conservation: the same everywhere", title_justify="left")
    for name in ("", *STAGES):
        table.add_column(name, justify="left" if not name else "right")
    table.add_column("holds")
    for line in proof.lines:
        cells = [line.cells.get(stage, "") for stage in STAGES]
        note = f" [dim]{line.note}[/]" if line.note else ""
        table.add_row(line.what, *cells, ("[green]yes[/]" if line.ok else "[red]NO[/]") + note)
    console.print(table)
    checks = Table(title="The ledger, recomputed from the log", title_justify="left")
    for name in ("law", "check", "found", "holds"):
        checks.add_column(name)
    for check in proof.checks:
        holds = "[green]yes[/]" if check.ok else f"[red]NO[/], expected {check.expected}"
        checks.add_row(check.law, check.name, check.actual, holds)
    console.print(checks)
    for name, digest in proof.digests.items():
        console.print(f"digest of {name}: {digest}")
    for sentence in proof.broken:
        console.print(f"[red]broken:[/] {sentence}")
    if not proof.broken:
        console.print("[green]every law checked holds[/]")


def _cells(line: Line) -> str:
    return ", ".join(f"{stage} {value}" for stage, value in line.cells.items())
