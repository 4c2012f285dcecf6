"""First touch: all to the first."""

from __future__ import annotations

from services.attribution.domain.models.case import Case, Given
from services.attribution.domain.models.exact import ONE, ZERO


def share(case: Case) -> Given:
    """Give all to the first touch."""
    return Given([ONE, *[ZERO] * (len(case.touches) - 1)], "first")
