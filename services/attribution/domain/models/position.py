"""Position: parts for the first and the last touch, the rest for those between."""

from __future__ import annotations

from fractions import Fraction

from services.attribution.domain.models.case import Case, Given
from services.attribution.domain.models.exact import ONE, ZERO, in_proportion


def share(case: Case) -> Given:
    """Give `first` and `last` of the terms to the ends, and what is left in equal parts to the
    others. One touch has all; of two, each has its part in proportion, which is a half by default.
    """
    first, last = case.terms.first_part, case.terms.last_part
    number = len(case.touches)
    if number == 1:
        return Given([ONE], "position")
    between: list[Fraction] = []
    if number > 2:
        between = [max(ZERO, ONE - first - last) / (number - 2)] * (number - 2)
    return Given(in_proportion([first, *between, last]), "position")
