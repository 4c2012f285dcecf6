"""Who a customer is bound to, for each of its conversions: a function of the set of them.

A customer's conversions are known to the partition of its key. Each comes with the decision that
was made without looking at the customer (`CustomerBound.asked`) and, if that credits somebody under
an offer with lifetime terms, with the wish to bind the customer to these shares. Nothing here
depends on what came first: a wish that comes late, but is of an earlier conversion, changes what
was decided before it came.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta

from msgspec import Struct

from afflux.kernel.catalog import Catalog, CustomerBinding, Offer
from afflux.kernel.catalog.attribution_entities import binding_id
from afflux.kernel.events import Share
from afflux.kernel.types import Millis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOR_EVER = Millis(253_402_300_799_999)


class Wish(Struct, frozen=True, array_like=True):
    """A conversion's wish to bind its customer: to `shares`, for `months`, for `payments`."""

    shares: tuple[Share, ...]
    months: int | None = None
    payments: int | None = None


class Member(Struct, frozen=True, array_like=True):
    """One conversion of a customer.

    `firm`: it is credited by a stronger signal than the customer. `counts`: it is a payment (a
    report with status `rejected` is none). `offer_id`: the offer its report names. `known_at`: the
    knowledge of the catalogue that it is decided with; what it says of the customer holds as of
    `occurred_at`.
    """

    conversion_key: bytes
    advertiser_id: int
    customer_key: bytes
    occurred_at: Millis
    reported_at: Millis
    known_at: Millis
    goal: str
    offer_id: int | None
    firm: bool
    counts: bool
    wish: Wish | None = None

    @property
    def order(self) -> tuple[int, bytes]:
        """Its place among the conversions of a customer."""
        return self.occurred_at, self.conversion_key


class Choice(Struct, frozen=True, array_like=True):
    """What the customer says of one conversion.

    No shares: the decision made without it stands; if that credits nobody, `reason` says what
    became of the customer (None: the customer was not asked). `bound_by` is the conversion that
    bound the customer and `bound_at` when that was reported; without it a person did.
    """

    shares: tuple[Share, ...] = ()
    reason: str | None = None
    offer_id: int | None = None
    terms_version: int = 0
    bound_by: bytes | None = None
    bound_at: Millis = Millis(0)


_NOT_ASKED = Choice()


def choose(members: Iterable[Member], catalog: Catalog) -> dict[bytes, Choice]:
    """Return what the customer says of each of its conversions, by conversion key.

    Pure, and the same for every order of `members`. The binding is the earliest wish before the
    conversion (by `occurred_at`, then conversion key). It holds for so many calendar months, both
    ends inclusive, and for the first so many payments that nothing stronger credits. What a person
    said in the catalogue wins over it.
    """
    ordered = sorted(members, key=_by_order)
    binder = next((one for one in ordered if one.wish is not None), None)
    choices: dict[bytes, Choice] = {}
    paid = 0
    for member in ordered:
        choice = _one(member, binder, paid, catalog)
        choices[member.conversion_key] = choice
        if choice.bound_by is not None and member.counts:
            paid += 1
    return choices


def months_after(at: Millis, months: int) -> Millis:
    """Return the instant so many calendar months later, in UTC: the same day and time, or the last
    day of a month that is too short."""
    start = _EPOCH + timedelta(milliseconds=at)
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    if year > MAXYEAR:
        return _FOR_EVER
    day = min(start.day, monthrange(year, month + 1)[1])
    end = start.replace(year=year, month=month + 1, day=day)
    return Millis((end - _EPOCH) // timedelta(milliseconds=1))


def _one(member: Member, binder: Member | None, paid: int, catalog: Catalog) -> Choice:
    if member.firm:
        return _NOT_ASKED
    said = catalog.find_version(
        CustomerBinding,
        binding_id(member.advertiser_id, member.customer_key.hex()),
        member.occurred_at,
        member.known_at,
    )
    if said is not None:
        return _by_person(member, said[0], binder, catalog)
    if binder is None or binder.wish is None or binder.order >= member.order:
        return Choice(reason="lifetime_none")
    if _over(member, binder, binder.wish, paid):
        return Choice(reason="lifetime_over")
    found = _with_terms(member, binder.wish.shares, catalog)
    if isinstance(found, str):
        return Choice(reason=found)
    shares, offer_id, version = found
    return Choice(shares, None, offer_id, version, binder.conversion_key, binder.reported_at)


def _by_person(
    member: Member, said: CustomerBinding, binder: Member | None, catalog: Catalog
) -> Choice:
    """Give all to the partner a person named: under the offer that the report names, or the person,
    or the first wish, or the advertiser's only offer with this goal."""
    if said.partner_id is None:
        return Choice(reason="customer_unbound")
    offer_id = member.offer_id or said.offer_id
    if offer_id is None and binder is not None and binder.wish is not None:
        offer_id = binder.wish.shares[-1].offer_id
    if offer_id is None:
        offer_id = _only_offer(member, catalog)
    if offer_id is None:
        return Choice(reason="offer_unknown")
    share = Share(
        partner_id=said.partner_id, offer_id=offer_id, link_id=0, numerator=1, denominator=1
    )
    found = _with_terms(member, (share,), catalog)
    if isinstance(found, str):
        return Choice(reason=found)
    shares, offer_id, version = found
    return Choice(shares, None, offer_id, version)


def _over(member: Member, binder: Member, wish: Wish, paid: int) -> bool:
    if wish.payments is not None and paid >= wish.payments:
        return True
    if wish.months is None:
        return False
    return member.occurred_at > months_after(binder.occurred_at, wish.months)


def _with_terms(
    member: Member, shares: Sequence[Share], catalog: Catalog
) -> tuple[tuple[Share, ...], int, int] | str:
    """Return shares under offers that have the goal, with the last one's offer and its version.

    Shares go to the offer that the report names, if it names one: its terms say what is owed.
    """
    found: list[Share] = []
    offer_id, version = 0, 0
    for share in shares:
        offer_id = share.offer_id if member.offer_id is None else member.offer_id
        offer = catalog.find_version(Offer, offer_id, member.occurred_at, member.known_at)
        if offer is None:
            return "offer_unknown"
        if offer[0].advertiser_id != member.advertiser_id:
            return "other_advertiser"
        if offer[0].goal(member.goal) is None:
            return "goal_not_in_offer"
        version = offer[1]
        found.append(_under(share, offer_id))
    return tuple(found), offer_id, version


def _under(share: Share, offer_id: int) -> Share:
    if share.offer_id == offer_id:
        return share
    return Share(
        partner_id=share.partner_id,
        offer_id=offer_id,
        link_id=0,
        numerator=share.numerator,
        denominator=share.denominator,
    )


def _only_offer(member: Member, catalog: Catalog) -> int | None:
    offers = [
        offer.id
        for offer, _ in catalog.all(Offer, member.occurred_at, member.known_at)
        if offer.advertiser_id == member.advertiser_id and offer.goal(member.goal) is not None
    ]
    return offers[0] if len(offers) == 1 else None


def _by_order(member: Member) -> tuple[int, bytes]:
    return member.order
