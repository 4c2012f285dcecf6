"""Law K4 for traces: whatever the decision, a partner's rendering has nothing of other partners."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from afflux.kernel.catalog import Goal, Landing, Offer, Terms
from afflux.kernel.events import Decision
from services.analytics.domain.partner_view import PartnerExplanation, for_partner
from services.analytics.domain.told import instant, share_of
from services.attribution.domain.alternatives import alternatives
from tests.explain_samples import FOREIGN, OFFERS, OWN, histories, tags_of, text_of
from tests.payouts_samples import catalog

CATALOG = catalog(
    *(
        Offer(
            id=offer_id,
            advertiser_id=3,
            name=f"offer-{offer_id}",
            landings=[Landing(id=1, url="https://shop.example/")],
            goals=[Goal(name="sale", revenue=Terms(percent="10"))],
            model="linear",
        )
        for offer_id in OFFERS.values()
    )
)


def told_to(partner_id: int, versions: list[Decision]) -> PartnerExplanation | None:
    """The partner's rendering, with everything else at hand, as the API has it."""
    now = versions[-1]
    others = alternatives(now, CATALOG)
    return for_partner(partner_id, versions, CATALOG, others, tags_of(now))


def secrets(versions: list[Decision]) -> set[str]:
    """Everything of other partners, of the shop and of the visitor, as it would be written."""
    found = {"order-of-the-shop", "item-of-the-shop", "COUPON-OF-NOBODY", "XK", "flag-of"}
    for partner_id in FOREIGN:
        found |= {str(partner_id), str(OFFERS[partner_id]), str(partner_id + 7_000_000)}
    for decision in versions:
        assert decision.customer_key is not None
        assert decision.supersedes is not None
        found |= {decision.customer_key.hex(), decision.event_id.hex(), decision.supersedes.hex()}
        found.add(decision.body_hash.hex())
        for touch in decision.touches:
            if touch.partner_id != OWN:
                found |= {touch.click_id.hex(), touch.click_id.hex()[:12], str(touch.occurred_at)}
                found.add(instant(touch.occurred_at) or "")
    return found


@settings(max_examples=max(300, settings().max_examples))
@given(histories())
def test_K4_nothing_of_others_is_told(versions: list[Decision]) -> None:
    told = told_to(OWN, versions)
    text = text_of(told)
    assert [secret for secret in secrets(versions) if secret in text] == []
    assert ".777" not in text


@given(histories())
def test_who_had_no_part_is_told_nothing_at_all(versions: list[Decision]) -> None:
    took_part = any(
        one.partner_id == OWN
        for decision in versions
        for one in (
            *decision.shares,
            *(touch for touch in decision.touches if touch.reason != "other_advertiser"),
        )
    )
    assert (told_to(OWN, versions) is not None) == took_part
    assert told_to(123_456_789, versions) is None


@given(histories())
def test_what_is_its_own_is_told(versions: list[Decision]) -> None:
    told = told_to(OWN, versions)
    now = versions[-1]
    own = [one for one in now.shares if one.partner_id == OWN]
    if told is None:
        assert not own
        return
    assert told.credited == bool(own)
    assert (told.percent is not None) == bool(own)
    if told.percent is not None:
        assert abs(Fraction(told.percent) / 100 - share_of(own)) <= Fraction(1, 20_000)
    touches = [
        one for one in now.touches if one.partner_id == OWN and one.reason != "other_advertiser"
    ]
    assert [one.touch_id for one in told.touches] == [one.click_id.hex() for one in touches]
    for one in told.touches:
        assert (one.percent is None) == (one.reason is not None)
        assert one.ref_id == f"ref-of-{OWN}"
    assert (told.order is not None) == told.credited


@given(histories(), st.data())
def test_K4_what_others_do_changes_nothing_but_shares_and_whether_there_were_others(
    versions: list[Decision], data: st.DataObject
) -> None:
    """Another name, time, tag or link of a foreign touch cannot be seen."""
    swap = dict(zip(FOREIGN, data.draw(st.permutations(FOREIGN)), strict=True))
    assert told_to(OWN, versions) == told_to(OWN, [_renamed(one, swap) for one in versions])


def _renamed(decision: Decision, swap: dict[int, int]) -> Decision:
    """Foreign partners change places; whose offer decided stays."""
    return replace(
        decision,
        touches=[replace(t, partner_id=swap.get(t.partner_id, OWN)) for t in decision.touches],
        shares=[
            replace(s, partner_id=swap.get(s.partner_id, OWN), ref_id=None)
            if s.partner_id != OWN
            else s
            for s in decision.shares
        ],
    )
