"""What the demo prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from afflux.cli.demo.drive import Answers
from afflux.runtime.settings import Settings


def show_answers(answers: Answers, console: Console) -> None:
    """Print what was sent and how it was answered."""
    table = Table(title="Answered over HTTP", title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, count in sorted(answers.counts.items()):
        table.add_row(name, str(count))
    for reason, count in sorted(answers.refusals.items()):
        table.add_row(f"  refused {reason}", str(count))
    console.print(table)
    told = ", ".join(f"{count} {name}" for name, count in answers.stories.most_common())
    console.print(f"[dim]stories: {told}[/]")


def differences(answers: Answers, journals: Mapping[str, int]) -> list[str]:
    """Compare the answers a client got with what the edges have journaled."""
    found = [f"no answer: {failure}" for failure in answers.failures]
    for name in ("clicks", "impressions", "conversions", "adjustments", "rejections"):
        outside, inside = answers.counts[name], journals.get(name.removesuffix("s"), 0)
        if outside != inside:
            found.append(f"{name}: {outside} were answered, {inside} stand in the journals")
    return found


def hints(settings: Settings, home: Path, code: str = "p1-101") -> str:
    """Return what to try while the stack is left running; each line works as it stands."""
    edge, kpi = settings.edge_url, settings.kpi_url
    monitor = f"http://127.0.0.1:{settings.monitor_port}"
    return f"""
The stack is left running: edge {edge}, KPI API {kpi}, monitor {monitor}. Try:
  curl -i '{edge}/c/{code}?sub1=mine'          # follow a link: 302 with a click id
  curl '{edge}/postback?goal=sale&txn_id=1'    # a report nobody signed: 401 and why
  curl '{kpi}/v1/kpi?by=partner'               # KPIs as JSON
  curl '{monitor}/counts'                      # live counts
  .venv/bin/afflux status --home {home}
  .venv/bin/afflux kpi --home {home} --by offer,day
  .venv/bin/afflux ledger balances --home {home}
  .venv/bin/afflux verify --home {home}
  .venv/bin/afflux down --home {home}          # stop it"""
