"""Every command of the table is there, and its help has an example."""

from __future__ import annotations

import click
import pytest
import typer
from typer.testing import CliRunner

from afflux.cli.main import COMMANDS, build


def leaves(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the paths of all commands below `command`, which has that path itself."""
    below = getattr(command, "commands", None)
    if not below:
        return [path]
    return [leaf for name, one in below.items() for leaf in leaves(one, (*path, name))]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_there_and_shows_an_example(name: str) -> None:
    app = build([name])
    root = typer.main.get_command(app)
    found = getattr(root, "commands", {})
    assert name in found, f"afflux {name} is missing"
    for path in leaves(found[name], (name,)):
        shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "100"})
        assert shown.exit_code == 0, path
        assert "Example" in shown.output, f"afflux {' '.join(path)} --help has no example"


def test_wrong_usage_leaves_with_two() -> None:
    assert CliRunner().invoke(build(["worker"]), ["worker"]).exit_code == 2
    assert CliRunner().invoke(build(["up"]), ["up", "--no-such-option"]).exit_code == 2
