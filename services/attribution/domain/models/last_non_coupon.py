"""Last non-coupon: a partner of coupons is passed over where another one had brought the visitor.

Coupon sites are often the last touch of a purchase that others brought about: the visitor looks for
a code before paying. Source: the "last click, excluding coupon" rule of affiliate networks.
"""

from __future__ import annotations

from services.attribution.domain.models.case import Case, Given
from services.attribution.domain.models.exact import ONE, ZERO


def share(case: Case) -> Given:
    """Give all to the last touch whose partner has no coupon of this advertiser's at the time of
    the conversion; if all partners have one, to the last touch."""
    chosen = len(case.touches) - 1
    for at in range(chosen, -1, -1):
        if not case.known.has_coupon(case.touches[at].partner_id):
            chosen = at
            break
    shares = [ZERO] * len(case.touches)
    shares[chosen] = ONE
    return Given(shares, "last_non_coupon")
