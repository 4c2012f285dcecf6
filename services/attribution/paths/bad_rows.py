"""Where in a file something is wrong. The file is read again, in no hurry."""

from __future__ import annotations

import csv
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
    return f"{file} is no CSV file for us: {otherwise}"


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
