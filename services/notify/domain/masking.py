"""URLs as a log shows them: what looks like a secret of the receiver's is hidden."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"(?i)([?&][^=&#]*(?:token|secret|passw|pwd|auth|sig|hash|key|api)[^=&#]*=)[^&#]+"
)


def masked(url: str) -> str:
    """Return the URL with the values of parameters that are named like secrets hidden."""
    return _SECRET.sub(r"\1***", url)
