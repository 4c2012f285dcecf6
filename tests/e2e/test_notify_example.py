"""docs/partner-postbacks.md: its lines run as they stand, its snippet checks real signatures."""

from __future__ import annotations

import re
import time
from pathlib import Path

from afflux.kernel.postback import POSTBACK_MACROS, PostbackEvent
from afflux.runtime.embedded.ports import Reservations
from afflux.runtime.paths import ROOT
from services.notify.domain.signing import signature
from tests.support.documents import run_document

TEXT = (ROOT / "docs" / "partner-postbacks.md").read_text()
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_document_names_every_macro_and_event() -> None:
    section = TEXT.partition("## Macros")[2].partition("##")[0]
    named = set(re.findall(r"`\{(\w+)\}`", section)) | {f"sub{n}" for n in range(1, 11)}
    assert named == POSTBACK_MACROS
    for event in PostbackEvent:
        assert f"| `{event.value}` |" in TEXT


def test_the_snippet_checks_signatures() -> None:
    scope: dict[str, object] = {}
    (snippet,) = PYTHON.findall(TEXT)
    exec(snippet, scope)
    authentic, now = scope["authentic"], int(time.time())
    assert callable(authentic)
    for at, good in ((now, True), (now - 600, False)):
        made = signature(b"key", at, "POST", "https://a.example/?b=1", b"{}")
        headers = {"X-Afflux-Timestamp": str(at), "X-Afflux-Signature": made}
        assert authentic("key", headers, "POST", "https://a.example/?b=1", b"{}") is good
        assert not authentic("key", headers, "POST", "https://a.example/?b=2", b"{}")
        assert not authentic("other", headers, "POST", "https://a.example/?b=1", b"{}")


def test_the_example_works_as_it_stands(home: Path) -> None:
    ports = Reservations()
    more = {"TMPDIR": str(home), "RECEIVER_PORT": str(ports.free_port())}
    ports.release()
    script = "set -ex\n" + "\n".join(SHELL.findall(TEXT))
    done = run_document(home, script, 200, more)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    said = done.stdout
    received = re.findall(r"^received (.+)$", said, re.MULTILINE)[-4:]  # the others are grep's
    plain = [line for line in received if not line.startswith("json")]
    assert plain == [
        "accepted 8.00 EUR ref=abc-1",
        "approved 8.00 EUR ref=abc-1",
        "changed 4.00 EUR ref=abc-1",
    ]
    posted = [line for line in received if line.startswith("json")]
    assert posted == ["json approved 8.00 sub1=banner"], said
    assert said.count("delivered") >= 4
