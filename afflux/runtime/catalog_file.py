"""Catalogue files: from YAML to a checked plan, and from a catalogue back to YAML."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import available_timezones

from ruamel.yaml import YAML

from afflux.kernel.catalog import Catalog
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import Declaration, read_declaration
from afflux.kernel.catalog.plan import Plan, make_plan
from afflux.kernel.catalog.rotation import with_keys_kept
from afflux.kernel.document import Problem, Problems
from afflux.kernel.types import Millis
from afflux.runtime.yaml_document import load_document


class FileRefused(Exception):
    """A declared file with problems; nothing of it was applied."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.path = path
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """Return one `file:line: path: sentence` for each problem."""
        return [
            f"{self.path}:{each.line}: {each.path + ': ' if each.path else ''}{each.message}"
            for each in self.problems
        ]


class CatalogFile:
    """One file as it was read; references are checked when it is planned."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems = Problems()
        document = load_document(path, self._problems)
        self.declaration: Declaration = read_declaration(
            document, self._problems, available_timezones()
        )

    def plan(self, catalog: Catalog, now: Millis) -> Plan:
        """Return what is to be written; raises FileRefused with everything that is wrong."""
        check(self.declaration, catalog, now, self._problems)
        if self._problems:
            raise FileRefused(self._path, self._problems)
        return make_plan(with_keys_kept(self.declaration, catalog, now), catalog, now)


def to_yaml(sections: Mapping[str, object]) -> str:
    """Return sections of plain values as the text of a catalogue file."""
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 100
    writer.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    writer.dump(dict(sections), out)
    return out.getvalue() if sections else "# the catalogue is empty\n"
