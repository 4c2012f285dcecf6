"""The command line: one table of commands, each imported only when it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import typer

from afflux.cli.errors import Refused
from afflux.runtime.log import configure_logging

COMMANDS = {
    "up": "afflux.cli.up:up",
    "down": "afflux.cli.stack:down",
    "status": "afflux.cli.stack:status",
    "worker": "afflux.cli.worker:worker",
    "prepare": "afflux.cli.prepare:prepare",
    "demo": "afflux.cli.demo.command:demo",
    "catalog": "afflux.cli.catalog:app",
    "keys": "afflux.cli.keys:app",
    "import": "afflux.cli.importing:app",
    "attribution": "afflux.cli.attribution:app",
    "kpi": "afflux.cli.kpi:app",
    "trace": "afflux.cli.trace:trace",
    "visitors": "afflux.cli.visitors:app",
    "ledger": "afflux.cli.ledger:app",
    "verify": "afflux.cli.verify:verify",
    "dlq": "afflux.cli.dlq:app",
    "notify": "afflux.cli.notify:app",
    "rejections": "afflux.cli.rejections:app",
    "journal": "afflux.cli.journal:app",
    "state": "afflux.cli.state:app",
}


def build(names: Sequence[str]) -> typer.Typer:
    """Return the command line with these commands."""
    app = typer.Typer(
        name="afflux",
        help="afflux: the affiliate network engine you can audit.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )

    @app.callback()
    def root() -> None:
        """afflux: the affiliate network engine you can audit.

        Example: afflux up --detach && afflux status
        """

    for name in names:
        _add(app, name, COMMANDS[name])
    return app


def _add(app: typer.Typer, name: str, where: str) -> None:
    module_name, _, attribute = where.partition(":")
    if find_spec(module_name) is None:
        return
    target = getattr(import_module(module_name), attribute, None)
    if target is None:
        return
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=name)
    else:
        app.command(name)(target)


def run() -> None:
    """Run the command line of this process. Leaves with 0 ok, 1 refused, 2 wrong usage."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    configure_logging(f"afflux {asked}".strip())  # standard output is for results
    app = build([asked] if asked in COMMANDS else list(COMMANDS))
    try:
        app(prog_name="afflux")
    except Refused as refusal:
        typer.secho(f"afflux: {refusal}", err=True, fg="red")
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("afflux", "services"):
            raise
        typer.secho(f"afflux: package {error.name} is missing: run `make setup`", err=True)
        sys.exit(1)


if __name__ == "__main__":
    run()
