"""Models whose weights of partners are computed from history, then frozen with a version."""

from __future__ import annotations

from collections import Counter

from services.attribution.domain.models import linear
from services.attribution.domain.models.case import Case, Given
from services.attribution.domain.models.exact import ZERO, in_proportion


def by_weights(case: Case, name: str) -> Given:
    """Share in proportion to the partners' frozen weights; a partner's part is divided equally
    among its touches, and one without a weight gets nothing.

    Where there are no weights of this model, or no partner has one, the shares are linear, and
    so is the name: history says nothing of these partners.
    """
    found = case.known.weights(case.terms.weights) if case.terms.weights else None
    if found is None or found[0].model != name:
        return linear.share(case)
    frozen, version = found
    touches = Counter(touch.partner_id for touch in case.touches)
    each = {
        partner: max(ZERO, frozen.weight(partner)) / number for partner, number in touches.items()
    }
    if not any(each.values()):
        return linear.share(case)
    shares = in_proportion([each[touch.partner_id] for touch in case.touches])
    return Given(shares, f"{name}@{version}")
