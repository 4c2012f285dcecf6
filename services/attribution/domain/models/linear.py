"""Linear: the same to each touch."""

from __future__ import annotations

from fractions import Fraction

from services.attribution.domain.models.case import Case, Given


def share(case: Case) -> Given:
    """Give 1/n to each of n touches; a partner with several touches has several parts."""
    number = len(case.touches)
    return Given([Fraction(1, number)] * number, "linear")
