"""Shapley: shares by Shapley values, which `afflux attribution fit` computes from history."""

from __future__ import annotations

from services.attribution.domain.models.case import Case, Given
from services.attribution.domain.models.frozen import by_weights


def share(case: Case) -> Given:
    """Share by the frozen Shapley values of the partners (Shapley 1953)."""
    return by_weights(case, "shapley")
