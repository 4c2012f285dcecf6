"""Where in a file something is wrong. The file is read again, in no hurry."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class _Delimited(Protocol):
    @property
    def delimiter(self) -> str: ...


def refuse_row(file: Path, layout: _Delimited, row: int, why: str) -> str:
    """Return the sentence for a bad row, counted from 0 below the header: with its line in CSV."""
    try:
        return f"{file}:{_line(file, layout.delimiter, row)}: {why}"
    except (UnicodeDecodeError, csv.Error):
        return f"{file}: row {row + 1}: {why}"


def ragged(file: Path, delimiter: str, otherwise: str) -> str:
    """Return the sentence for a CSV that cannot be read: its first bad line, or `otherwise`."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, delimiter=delimiter, strict=True)
            width = len(next(reader))
            for fields in reader:
                if len(fields) > width:
                    many = f"{len(fields)} fields where the first line has {width}"
                    return f"{file}:{reader.line_num}: {many}"
    except UnicodeDecodeError as error:
        line = file.read_bytes().count(b"\n", 0, _offset(file)) + 1
        return f"{file}:{line}: not UTF-8 text: {error.reason}"
    except csv.Error as error:
        return f"{file}:{reader.line_num}: {error}"
    if quoted := _bare_quote(file, delimiter):
        return (
            f"{file}:{quoted}: a quote stands in a field without quotes around it: put the field "
            'in quotes, with each quote inside doubled ("a ""b""")'
        )
    return f"{file} is no CSV file for us: {otherwise}"


def _bare_quote(file: Path, delimiter: str) -> int | None:
    """Return the line of the first row with a quote in a field that is not quoted properly."""
    field = rf'(?:"[^"]*(?:""[^"]*)*"|[^"{re.escape(delimiter)}\r\n]*)'
    proper = re.compile(rf"{field}(?:{re.escape(delimiter)}{field})*[\r\n]*")
    read: list[str] = []

    def noted(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line

    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.reader(noted(opened), delimiter=delimiter)
        for _ in reader:
            if not proper.fullmatch("".join(read)):
                return reader.line_num
            read.clear()
    return None


def _line(file: Path, delimiter: str, row: int) -> int:
    """Return the line on which a row ends; rows may hold line breaks, and a blank line is a row."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.reader(opened, delimiter=delimiter)
        for at, _ in enumerate(reader, start=-1):
            if at == row:
                break
        return reader.line_num


def _offset(file: Path) -> int:
    """Return where the first byte stands that is not UTF-8."""
    try:
        file.read_bytes().decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0
