"""`afflux attribution models` on files, as its user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from afflux.cli.main import build

ANSWERS = Path(__file__).parents[1] / "data" / "fractribution"
PLAIN = "path,total_conversions,total_conversion_value,total_null\n"
ALL = "markov,shapley,shapley-cr,first,last,linear,position,time-decay"
MONEY = ("--value-column", "total_conversion_value", "--null-column", "total_null")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "paths.csv"


def run(file: Path, *args: str) -> Result:
    words = ["attribution", "models", "--paths", str(file), *args]
    return CliRunner().invoke(build(["attribution"]), words)


def rows(file: Path, *args: str) -> list[tuple[str, str, float, str]]:
    done = run(file, "--format", "csv", *args)
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    header, *found = csv.reader(io.StringIO(done.stdout))
    assert header == ["channel", "model", "conversions", "value"]
    return [(channel, model, float(won), value) for channel, model, won, value in found]


def refused(file: Path, *args: str) -> str:
    done = run(file, *args)
    assert done.exit_code == 1 and not done.stdout
    return str(done.exception)


def test_every_model_at_once_in_the_order_asked_for(file: Path) -> None:
    file.write_text(f"{PLAIN}A > B,2,30,1\nB,1,10,0\n")
    found = rows(file, "--models", ALL, *MONEY)
    assert [model for channel, model, _, _ in found if channel == "A"] == ALL.split(",")
    for model in ALL.split(","):
        own = [(won, float(value)) for _, name, won, value in found if name == model]
        assert sum(won for won, _ in own) == pytest.approx(3, abs=1e-9)
        assert sum(value for _, value in own) == pytest.approx(40, abs=1e-9)


def test_the_published_tables_come_out_of_the_published_summary() -> None:
    columns = ["--path-column", "transformed_path", "--conversions-column", "conversions"]
    more = ["--null-column", "non_conversions", "--value-column", "revenue"]
    found = rows(ANSWERS / "path_summary.csv", *columns, *more, "--models", "shapley-cr,last")
    names = {"shapley": "shapley-cr", "last_touch": "last"}
    with (ANSWERS / "channel_attribution.csv").open(newline="") as answers:
        wanted = {
            (row["CHANNEL"], names[row["ATTRIBUTION_TYPE"]]): (row["CONVERSIONS"], row["REVENUE"])
            for row in csv.DictReader(answers)
        }
    assert {(channel, model) for channel, model, _, _ in found} == set(wanted)
    for channel, model, won, value in found:
        conversions, revenue = map(float, wanted[channel, model])
        assert won == pytest.approx(conversions, abs=1e-9, rel=0)
        assert float(value) == pytest.approx(revenue, abs=1e-9, rel=0)


def test_without_values_their_column_is_empty(file: Path) -> None:
    file.write_text("path,total_conversions\nA,2\n")
    assert rows(file, "--models", "last") == [("A", "last", 2.0, "")]
    done = run(file, "--models", "last", "--format", "json")
    assert json.loads(done.stdout) == [
        {"channel": "A", "model": "last", "conversions": 2.0, "value": None}
    ]


def test_a_table_for_people(file: Path) -> None:
    file.write_text("path,total_conversions\nA > B,2\n")
    done = run(file)
    assert done.exit_code == 0
    assert "time-decay" in done.stdout and "shapley-cr" not in done.stdout


def test_other_columns_separators_delimiters_and_a_byte_order_mark(file: Path) -> None:
    file.write_text('\ufeffwhere;n;route\nx;3;"A|B"\ny;1; B |A\n', encoding="utf-8")
    own = ["--path-column", "route", "--conversions-column", "n", "--sep", "|", "--delimiter", ";"]
    assert rows(file, *own, "--models", "first") == [
        ("A", "first", 3.0, ""),
        ("B", "first", 1.0, ""),
    ]


def test_parquet_with_paths_as_text_or_as_lists(tmp_path: Path) -> None:
    text, lists = tmp_path / "text.parquet", tmp_path / "lists.parquet"
    pl.DataFrame({"path": ["A > B", ""], "total_conversions": [2, 1]}).write_parquet(text)
    pl.DataFrame({"path": [["A", "B"], []], "total_conversions": [2, 1]}).write_parquet(lists)
    assert rows(text, "--models", "linear") == rows(lists, "--models", "linear")


def test_conversions_without_a_touch_are_told_and_credited_to_nobody(file: Path) -> None:
    file.write_text("path,total_conversions\n,4\nA,2\n")
    done = run(file, "--models", "linear", "--format", "csv")
    assert done.stdout.splitlines()[1:] == ["A,linear,2.0,"]
    assert "4 conversions had no touch" in done.stderr


def test_the_order_of_the_chain_is_chosen(file: Path) -> None:
    file.write_text("path,total_conversions,n\nA > B,1,0\nC > B,0,1\n")
    own = ["--models", "markov", "--null-column", "n", "--order"]
    assert [won for _, _, won, _ in rows(file, *own, "2")] == pytest.approx([0.5, 0.5, 0])
    assert [won for _, _, won, _ in rows(file, *own, "1")] == pytest.approx([0.25, 0.5, 0.25])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"path,total_conversions\nA,1\nB,x\n", ":3: column 'total_conversions' holds 'x'"),
        (b"path,total_conversions\nA,1\nB,-1\n", ":3: column 'total_conversions' holds '-1'"),
        (b"path,total_conversions\nA,inf\n", ":2: column 'total_conversions' holds 'inf'"),
        (b'path,total_conversions\n"A\nB",1\nB,nan\n', ":4: column 'total_conversions'"),
        (b"path,total_conversions\n\n\nA,1\nB,\n", ":5: column 'total_conversions' is empty"),
        (b"path,total_conversions\nA,1\nB\n", ":3: column 'total_conversions' is empty"),
        (b"path,total_conversions\nA,1\nB,1,2\n", ":3: 3 fields where the first line has 2"),
        (b"path,total_conversions\nA,1\nB\xff,1\n", ":3: not UTF-8 text"),
        (b'path,total_conversions\nA,1\n"B,1\n', ":3: unexpected end of data"),
        (b"path,total_conversions\nA,1\nA >  > B,1\n", ":3: the path 'A >  > B' has a channel"),
        (b"path,total_conversions\n", "has no rows"),
        (b"", "is empty"),
        (b"route,total_conversions\nA,1\n", "there is no column 'path'"),
        (b"path,conversions\nA,1\n", "there is no column 'total_conversions'"),
        (b"path,path,total_conversions\nA,A,1\n", "2 columns 'path'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(file: Path, text: bytes, said: str) -> None:
    file.write_bytes(text)
    assert said in refused(file)


def test_a_value_may_be_left_out_only_where_nothing_was_converted(file: Path) -> None:
    file.write_text(f"{PLAIN}A,0,,3\nB,1,,0\n")
    assert ":3: column 'total_conversion_value' is empty" in refused(file, *MONEY)


def test_a_file_that_is_not_there(file: Path) -> None:
    assert "cannot be read: No such file" in refused(file)


def test_an_unknown_model_is_named_before_the_file_is_read(file: Path) -> None:
    assert "no model 'markof'; did you mean 'markov'?" in refused(file, "--models", "markof")


def test_rates_need_the_paths_without_conversion(file: Path) -> None:
    assert "name their column with --null-column" in refused(file, "--models", "shapley-cr")


def test_too_many_channels_for_coalitions(file: Path) -> None:
    file.write_text(PLAIN + "".join(f"c{number},1,1,1\n" for number in range(21)))
    said = refused(file, "--models", "shapley-cr-full", "--null-column", "total_null")
    assert "takes at most 20 channels, and here are 21" in said


@pytest.mark.parametrize(
    "wrong", [["--sep", ""], ["--delimiter", ",,"], ["--models", ","], ["--order", "0"]]
)
def test_wrong_usage_leaves_with_2(file: Path, wrong: list[str]) -> None:
    assert run(file, *wrong).exit_code == 2
