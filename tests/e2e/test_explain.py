"""docs/explain.md, run as it stands: a journey of three partners, explained, and a trial run."""

from __future__ import annotations

import re
from pathlib import Path

from afflux.runtime.paths import ROOT
from tests.support.documents import run_document

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WANTED: list[list[str]] = [
    [r"101:linear runs", '"status": "accepted"'],
    [
        r"of partner 1, offer 101.*assisted, earlier_touch \(A later click is credited\.\)",
        r"of partner 3, offer 101.*window 30d: 1/1 \(100\.00 %\)",
        r"linear would have given: partner 1 1/3 \(33\.33 %\), partner 2 1/3",
        r"linear on trial gives: partner 1 1/3",
        r"for partner 2\n.*not yours",
        r"your click .*\(second-visit\): assisted, earlier_touch",
        r"other partners took part",
        r"linear would have given you 33\.33 %",
    ],
    [
        r"3 .*4\.00 .*1\.33 .*-2\.67",
        r"total .*4\.00 .*4\.00 .*0\.00",
        r"101:linear has ended",
        r"no trial runs",
    ],
]


def test_the_worked_example_works_as_it_stands(home: Path) -> None:
    text = (ROOT / "docs" / "explain.md").read_text()
    blocks = BLOCK.findall(text[text.index("## Try it") :])
    assert len(blocks) == len(WANTED), "each block has what it should say"
    script = "set -e\n" + "\n".join(f"echo; echo '#' {n}\n{b}" for n, b in enumerate(blocks))
    done = run_document(home, script, 240)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    said = dict(re.findall(r"^# (\d+)$(.*?)(?=^# \d+$|\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    for number, wanted in enumerate(WANTED):
        for part in wanted:
            assert re.search(part, said[str(number)], re.MULTILINE), (part, said[str(number)])
    own = said["1"][said["1"].index("for partner 2") :]
    for foreign in ("first-visit", "third-visit", "partner 1", "partner 3", "order-9"):
        assert foreign not in own
