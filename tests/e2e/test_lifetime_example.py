"""docs/lifetime.md: its lines run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from afflux.runtime.paths import ROOT
from tests.support.documents import run_document

TEXT = (ROOT / "docs" / "lifetime.md").read_text()
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_customers_are_bound_revised_rebound_and_decided_again(home: Path) -> None:
    script = "set -e\n" + "\n".join(SHELL.findall(TEXT))
    done = run_document(home, script, 280, {"TMPDIR": str(home)})
    said = done.stdout
    assert done.returncode == 0, (said + done.stderr)[-6000:]
    standing = dict(re.findall(r"│ (?:sale|rebill) +│ (\S+) +│.*│ ([^│]+?) \([^│]*│$", said, re.M))
    assert standing["second-1"] == standing["first-1"] == "partner 961 1/1"
    assert standing["second-2"] == standing["first-2"] == "partner 962 1/1"
    assert standing["third-1"] == "partner 962 1/1"
    assert "nothing was sent: --yes asks to decide 1 again" in said
    assert "asked to decide 1 again" in said
    assert re.search(r"late-1 +│ outside_window +│ partner 961 1/1", said)
    assert re.search(r"late-1 +│ partner 961 1/1 +│ partner 961 1/1", said)
