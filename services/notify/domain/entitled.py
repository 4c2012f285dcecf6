"""Which postbacks are called for a conversion: those there were when it was reported.

A postback begins with the conversions that are reported after it was configured; of earlier ones
only the rest could be told, which is worse than nothing. It stays the same postback as long as it
goes to the same host: another path, another parameter or another event is for all that is told
from then on. Pure: the catalogue answers.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from afflux.kernel.catalog import Catalog, Partner, Postback
from afflux.kernel.types import Millis
from services.notify.domain.stories import Facts

Slotted = tuple[int, Postback]
"""A postback and its place in the partner's list."""


def ever_asked(view: Catalog, partner_id: int) -> bool:
    """Return whether the partner has, or ever had, postbacks.

    Whoever has none now may have had some when the conversion was reported, and have them again
    when there is something to tell: its stories are read all the same.
    """
    return any(
        isinstance(version.entity, Partner) and version.entity.postbacks
        for version in view.history(Partner.kind, str(partner_id))
    )


def entitled(
    view: Catalog, partner_id: int, facts: Facts, now: Millis
) -> tuple[Partner, list[Slotted]] | None:
    """Return the partner as it is and the postbacks that may tell of a conversion; None for none.

    They have to be in the catalogue as it is now, and as it was known when the conversion was
    reported: a change that was entered later for an earlier time does not count.
    """
    at = facts.reported_at
    partner = view.find(Partner, partner_id, now, now)
    before = view.find(Partner, partner_id, at, at) if at is not None else None
    if partner is None or before is None:
        return None
    hosts = {_host(post) for post in before.postbacks if concerns(post, facts)}
    found = [
        (slot, post)
        for slot, post in enumerate(partner.postbacks)
        if concerns(post, facts) and _host(post) in hosts
    ]
    return (partner, found) if found else None


def concerns(postback: Postback, facts: Facts) -> bool:
    """Return whether a postback is for the goal and the offer of a conversion."""
    return (not postback.goals or facts.goal in postback.goals) and (
        not postback.offers or facts.offer_id in postback.offers
    )


def _host(postback: Postback) -> str:
    return urlsplit(postback.url).netloc.lower()
