"""docs/quickstart.md, run line by line as a newcomer would."""

from __future__ import annotations

import re
from pathlib import Path

from afflux.runtime.paths import ROOT
from tests.support.documents import run_document

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_quickstart_works_as_it_stands(home: Path) -> None:
    text = (ROOT / "docs" / "quickstart.md").read_text()
    script = "set -ex\n" + "\n".join(BLOCK.findall(text))
    done = run_document(home, script, 280)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert '"accepted"' in said
    assert '"duplicate"' in said
    assert "conflicting_report" in said
    assert re.search(r"7\.50", said), "10% of 100.00, less a quarter"
    assert said.count("every law checked holds") == 2
