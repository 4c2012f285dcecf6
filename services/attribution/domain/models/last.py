"""Last touch: all to the last."""

from __future__ import annotations

from services.attribution.domain.models.case import Case, Given
from services.attribution.domain.models.exact import ONE, ZERO


def share(case: Case) -> Given:
    """Give all to the last touch."""
    return Given([*[ZERO] * (len(case.touches) - 1), ONE], "last")
