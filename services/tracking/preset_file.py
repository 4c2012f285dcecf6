"""The table of presets, read from schemas/postback-presets.yaml when an edge starts."""

from __future__ import annotations

from pathlib import Path

from afflux.kernel.document import Problems
from afflux.runtime.paths import SCHEMAS
from afflux.runtime.refused import Refused
from afflux.runtime.yaml_document import load_document
from services.tracking.domain.presets import Presets, read_presets

PRESETS = SCHEMAS / "postback-presets.yaml"


def load_presets(path: Path = PRESETS) -> Presets:
    """Return the presets of a file; raises Refused, naming every line that is wrong."""
    problems = Problems()
    document = load_document(path, problems)
    presets = {} if len(problems) else read_presets(document, problems)
    if len(problems):
        wrong = "\n".join(
            f"{path}:{found.line}: {found.path}: {found.message}" for found in problems
        )
        raise Refused(wrong)
    return presets
