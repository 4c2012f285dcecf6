"""docs/integrate.md, run line by line as an engineer who has never seen it would."""

from __future__ import annotations

import re
from pathlib import Path

from afflux.runtime.paths import ROOT
from tests.support.documents import run_document

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_guide_for_integrators_works_as_it_stands(home: Path) -> None:
    text = (ROOT / "docs" / "integrate.md").read_text()
    script = "set -e\n" + "\n".join(f"echo; echo '#' {n}\n{b}" for n, b in numbered(text))
    done = run_document(home, script, 280)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    said = dict(re.findall(r"^# (\d+)$(.*?)(?=^# \d+$|\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    for number, wanted in enumerate(WANTED):
        for part in wanted:
            assert re.search(part, said[str(number)], re.MULTILINE), (
                number,
                part,
                said[str(number)],
            )


def numbered(text: str) -> list[tuple[int, str]]:
    """Return the blocks of the guide with their numbers."""
    found = list(enumerate(BLOCK.findall(text)))
    assert len(found) == len(WANTED), "each block has what it should say"
    return found


WANTED: list[list[str]] = [
    [r"\d+ created, 0 changed"],
    [],
    ["302", r"location: https://shop\.nordlicht\.example/\?cid=.*src=blog.*banner-7"],
    [r"^\s*[A-Za-z0-9_-]{60,}\s*$"],
    ['"status": "accepted"'],
    ['"status": "duplicate"'],
    ["conflicting_report", " 409"],
    ["field_invalid", '"field": "amount"', " 400"],
    ['"status": "accepted"'],
    ['"status": "accepted"'],
    ['"status": "accepted"'],
    ['"accepted": 2'],
    [
        "conflicting_report",
        "amount=12%2C50|amount=12,50",
        r"GET /postback\?.*amount=12\.50",
        r"^[0-9a-f]{32}  accepted$",
    ],
    [r"key +k2 +\S+\n", r"key +k1 +\S+  until 20"],
    [],
]
