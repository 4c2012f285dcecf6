"""Which conversions the customer has a say in, and what a decision asks of the customer's book."""

from __future__ import annotations

import msgspec

from afflux.kernel.catalog import Catalog, CustomerBinding, Offer
from afflux.kernel.catalog.attribution_entities import binding_id
from afflux.kernel.catalog.attribution_terms import Lifetime
from afflux.kernel.events import (
    Conversion,
    CreditSignal,
    CustomerBound,
    Decision,
    Result,
    Status,
)
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from services.attribution.domain.customers import Member, Wish

HANDED_OVER = 1 << 20
"""Versions of decisions that were published where they were made stay below this; those of the
customer's book begin above it, if it took over (a retroactive change made the customer matter)."""

_FIRM = (CreditSignal.CLICK_ID, CreditSignal.COUPON)


class Lifetimes:
    """Whose customers are bound, as the catalogue says: it is asked for every conversion."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._revision = -1
        self._since: dict[int, Millis] = {}

    def has_say(self, conversion: Conversion, known_at: Millis) -> bool:
        """Return whether the customer's partition decides this conversion.

        It does from when the catalogue knows an offer of the advertiser's with lifetime terms, or
        a person's word on this customer: once known it stays so, whatever changes later.
        """
        customer = conversion.customer_key
        if customer is None:
            return False
        self._refresh()
        since = self._since.get(conversion.advertiser_id)
        if since is not None and since <= known_at:
            return True
        name = binding_id(conversion.advertiser_id, customer.hex())
        said = self._catalog.history(CustomerBinding.kind, name)
        return any(version.recorded_at <= known_at for version in said)

    def ask(
        self, conversion: Conversion, decision: Decision, known_at: Millis, version: int
    ) -> CustomerBound:
        """Return what the customer's partition is told: the decision made without the customer,
        and to whom it is to be bound, if anybody. `version` orders what is said of a conversion.

        The version inside `asked` is that behind which the customer's partition counts its own.
        """
        customer = conversion.customer_key
        assert customer is not None  # else the customer has no say
        terms = _terms(decision, self._catalog, known_at)
        shares = [] if terms is None else decision.shares
        wish = msgspec.msgpack.encode((shares, terms))
        first = 0 if self.has_say(conversion, conversion.recorded_at) else HANDED_OVER
        return CustomerBound(
            event_id=derive("customer-bound", decision.event_id, wish),
            occurred_at=decision.occurred_at,
            recorded_at=decision.recorded_at,
            tenant_id=decision.tenant_id,
            advertiser_id=decision.advertiser_id,
            customer_key=customer,
            conversion_key=decision.conversion_key,
            offer_id=conversion.offer_id,
            goal=decision.goal,
            version=version,
            shares=shares,
            months=None if terms is None else terms.months,
            payments=None if terms is None else terms.payments,
            asked=msgspec.structs.replace(decision, version=first, supersedes=None),
        )

    def _refresh(self) -> None:
        if self._revision == self._catalog.revision:
            return
        since: dict[int, Millis] = {}
        for offer_id in self._catalog.ids(Offer):
            for version in self._catalog.history(Offer.kind, offer_id):
                offer = version.entity
                if isinstance(offer, Offer) and offer.lifetime is not None:
                    known = since.get(offer.advertiser_id, version.recorded_at)
                    since[offer.advertiser_id] = min(known, version.recorded_at)
        self._since, self._revision = since, self._catalog.revision


def member_of(bound: CustomerBound, asked: Decision) -> Member:
    """Return the conversion of a request as its customer's book has it."""
    attributed = asked.result is Result.ATTRIBUTED
    wish = Wish(tuple(bound.shares), bound.months, bound.payments)
    return Member(
        conversion_key=bound.conversion_key,
        advertiser_id=bound.advertiser_id,
        customer_key=bound.customer_key,
        occurred_at=bound.occurred_at,
        reported_at=asked.reported_at,
        known_at=max(asked.reported_at, asked.terms_known_at or Millis(0)),
        goal=bound.goal,
        offer_id=bound.offer_id,
        firm=attributed and asked.signal in _FIRM,
        counts=asked.status is not Status.REJECTED,
        wish=wish if bound.shares else None,
    )


def _terms(decision: Decision, catalog: Catalog, known_at: Millis) -> Lifetime | None:
    """Return how long the decision binds the customer, or None. Whom a report with status
    `rejected` is credited to has not won a customer."""
    nobody = decision.result is not Result.ATTRIBUTED or decision.status is Status.REJECTED
    if nobody or decision.offer_id is None:
        return None
    offer = catalog.find(Offer, decision.offer_id, decision.occurred_at, known_at)
    return None if offer is None else offer.lifetime
