"""`afflux attribution models` on odd files and options: a sentence, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from afflux.cli.main import build

HEAD = "path,total_conversions,total_conversion_value,total_null\n"
MONEY = ("--value-column", "total_conversion_value", "--null-column", "total_null")


def run(tmp_path: Path, text: str, *args: str) -> Result:
    file = tmp_path / "paths.csv"
    file.write_text(text, newline="")
    words = ["attribution", "models", "--paths", str(file), "--format", "csv", *args]
    return CliRunner().invoke(build(["attribution"]), words)


def refused(tmp_path: Path, text: str, *args: str) -> str:
    done = run(tmp_path, text, *args)
    assert done.exit_code == 1 and not done.stdout
    assert type(done.exception).__name__ == "Refused", repr(done.exception)
    return str(done.exception)


def test_lines_that_end_with_a_lone_carriage_return_are_refused(tmp_path: Path) -> None:
    assert "carriage return" in refused(tmp_path, "path,total_conversions\rA > B,2\rB,1\r")


def test_the_value_may_be_the_conversions(tmp_path: Path) -> None:
    done = run(
        tmp_path, HEAD + "A,2,5,1\n", "--value-column", "total_conversions", "--models", "last"
    )
    assert done.exit_code == 0, repr(done.exception)
    assert done.stdout.splitlines()[1:] == ["A,last,2.0,2.0"]


@pytest.mark.parametrize(
    "roles",
    [
        ("--conversions-column", "path"),
        ("--value-column", "path"),
        ("--null-column", "total_conversions"),
        ("--value-column", "total_null", "--null-column", "total_null"),
    ],
)
def test_a_column_has_one_role(tmp_path: Path, roles: tuple[str, ...]) -> None:
    why = refused(tmp_path, HEAD + "A,2,5,1\n", *roles)
    assert f"{roles[1]!r}" in why and "one role" in why


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("A,1e308,1,0\n", "total_conversions"),
        ("A > B > A,1,1e308,0\n", "total_conversion_value"),
        ("A,1,-1e308,0\nB,1,1e308,0\n", "total_conversion_value"),
        ("A,1,1,1e308\n", "total_null"),
    ],
)
def test_a_total_too_large_to_reckon_with_names_its_column(
    tmp_path: Path, row: str, column: str
) -> None:
    assert f"{column!r}" in refused(tmp_path, HEAD + row * 3, *MONEY)


def test_an_order_beyond_every_path_is_the_order_of_the_longest(tmp_path: Path) -> None:
    text = HEAD + "A > B > A > C,2,5,1\nB > A,1,2,3\nC,0,0,4\n"
    longest, huge = (
        run(tmp_path, text, *MONEY, "--models", "markov", "--order", order)
        for order in ("5", "99999999")
    )
    assert longest.exit_code == 0 and huge.stdout == longest.stdout


def test_a_bare_quote_is_named_with_its_line(tmp_path: Path) -> None:
    why = refused(tmp_path, HEAD + '"A ""x""",1,1,0\na"x > b,2,5,1\nB,1,1,0\n')
    assert "paths.csv:3: " in why and "doubled" in why
