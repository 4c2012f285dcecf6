"""Markov: shares by removal effects, which `afflux attribution fit` computes from history."""

from __future__ import annotations

from services.attribution.domain.models.case import Case, Given
from services.attribution.domain.models.frozen import by_weights


def share(case: Case) -> Given:
    """Share by the frozen removal effects of the partners (Anderl et al. 2016)."""
    return by_weights(case, "markov")
