"""Reading a CSV of any size row by row, and writing the refused rows beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import IO

from msgspec import Struct

from services.tracking.domain.refusal import Refusal
from services.tracking.importer_values import Row

_CHUNK = 1 << 20
_FIELD_LIMIT = 1 << 20
_REPORT = ("line", "reason", "field", "detail")


class Line(Struct, frozen=True):
    """One data row: its number from 1, its last line in the file, its raw cells, and the row by
    column or why it cannot be one."""

    position: int
    line: int
    cells: list[str]
    row: Row | Refusal


def file_digest(path: Path, salt: bytes, tell: Callable[[int], None]) -> str:
    """Return the hash of a file's bytes and `salt`; `tell` hears how many bytes are read."""
    digest = blake2b(salt, digest_size=12)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            tell(file.tell())
    return digest.hexdigest()


class CsvFile:
    """A CSV file being read; raises csv.Error when it has no header."""

    def __init__(self, path: Path, delimiter: str, encoding: str) -> None:
        self._raw = path.open("rb")
        own = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding
        text = io.TextIOWrapper(self._raw, own, errors="surrogateescape", newline="")
        csv.field_size_limit(_FIELD_LIMIT)
        self._reader = csv.reader(text, delimiter=delimiter)
        self.header = self._read_header()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    @property
    def bytes_read(self) -> int:
        """How far the file is read, a buffer ahead."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[Line]:
        position = 0
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                position += 1
                refusal = Refusal("body_invalid", f"not CSV: {error}")
                yield Line(position, self._reader.line_num, [], refusal)
                continue
            if cells:
                position += 1
                yield Line(position, self._reader.line_num, cells, self._row(cells))

    def _read_header(self) -> list[str]:
        header = next(self._reader, None)
        if not header or not any(header):
            raise csv.Error("the file has no header line")
        twice = sorted({name for name in header if name and header.count(name) > 1})
        if twice:
            raise csv.Error(f"the column {twice[0]!r} stands in the header twice")
        return header

    def _row(self, cells: list[str]) -> Row | Refusal:
        if len(cells) != len(self.header):
            detail = f"{len(cells)} cells where the header has {len(self.header)} columns"
            return Refusal("body_invalid", detail)
        row = dict(zip(self.header, cells, strict=True))
        bad = next((name for name, text in row.items() if not _is_text(text)), None)
        return row if bad is None else Refusal("body_invalid", "bytes that are no text", bad)


class RejectedFile:
    """FILE.rejected.csv: line, reason, field, detail, then the row as it was.

    Written anew by each run; a run that refuses nothing leaves no such file.
    """

    def __init__(self, source: Path, header: list[str]) -> None:
        self.path = source.with_suffix(".rejected.csv")
        self.path.unlink(missing_ok=True)
        self._header = header
        self._file: IO[str] | None = None

    def write(self, line: Line, refusal: Refusal) -> None:
        """Add one row."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            csv.writer(self._file).writerow([*_REPORT, *self._header])
        report = [str(line.line), refusal.reason, refusal.field or "", refusal.detail]
        csv.writer(self._file).writerow([*report, *line.cells])

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= char <= "\udcff" for char in text)
