"""What a partner put into a click goes with its share."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Share
from afflux.kernel.types import Millis
from services.attribution import touch_rows
from services.attribution.domain.journey import Seen, Tags
from services.attribution.table import MemoryTable
from tests.attribution_events import Log, click, conversion
from tests.attribution_samples import Worker

texts = st.none() | st.text(max_size=20)
tags = st.builds(
    Tags,
    ref_id=texts,
    source=texts,
    sub=st.lists(st.text(max_size=9), max_size=10).map(tuple),
    country=texts,
    device=texts,
)


def seen(of: Tags, no_touch: str | None = None) -> Seen:
    return Seen(bytes(16), Millis(1), Millis(2), Millis(3), 4, 5, 6, 7, 8, no_touch, of)


def test_a_share_carries_what_the_partner_put_into_the_click() -> None:
    one = msgspec.structs.replace(
        click(1), ref_id="REF 1", source="blog", sub=["a", "", "c"], country="DE", device="mobile"
    )
    (decision,) = (
        Worker(Log([one], [], [conversion(1, named=one)]).screen(), MemoryTable())
        .drain()
        .final.values()
    )
    (share,) = decision.shares
    assert (share.ref_id, share.source, share.sub) == ("REF 1", "blog", ["a", "", "c"])
    assert (share.country, share.device) == ("DE", "mobile")


@given(tags, st.sampled_from([None, "no_touch", "offer_paused"]), st.integers(0, 2**63 - 1))
def test_a_touch_survives_its_row(of: Tags, no_touch: str | None, offset: int) -> None:
    for kind in ("click", "impression"):
        before = msgspec.structs.replace(seen(of, no_touch), kind=kind, offset=offset)
        key = touch_rows.touch_key(bytes(16), before)
        assert touch_rows.unpack(key, touch_rows.pack(before)) == before


def test_I3_a_share_without_tags_is_hashed_as_it_always_was() -> None:
    plain = Share(
        partner_id=1,
        offer_id=2,
        link_id=3,
        click_id=bytes(16),
        clicked_at=Millis(9),
        numerator=1,
        denominator=1,
    )
    names = "partner_id offer_id link_id click_id clicked_at numerator denominator".split()
    assert list(msgspec.to_builtins(plain, builtin_types=(bytes,))) == names
