"""A second report with another status: what is taken of it, and what goes back."""

from __future__ import annotations

import msgspec
import pytest

from afflux.kernel.events import Adjustment, AdjustmentKind, Channel, Conversion, Status
from services.tracking.domain.conversions import read_conversion
from services.tracking.domain.entries import ConversionEntry, decode, encode
from services.tracking.domain.presets import translate
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.status_changes import status_change, word_id
from services.tracking.preset_file import load_presets
from tests.tracking_samples import NOW, context

ORDER: dict[str, object] = {"txn_id": "T1", "goal": "sale", "amount": "10.50"}
PRESETS = load_presets()
A, P, R = Status.APPROVED, Status.PENDING, Status.REJECTED


def entry(channel: Channel = Channel.POSTBACK, **fields: object) -> ConversionEntry:
    built = read_conversion({**ORDER, **fields}, context(channel=channel))
    assert isinstance(built, ConversionEntry), built
    return built


def report(status: Status) -> Conversion:
    return entry(status=status).event


@pytest.mark.parametrize(
    ("before", "since", "now", "taken"),
    [
        (P, [], A, AdjustmentKind.APPROVE),
        (P, [], R, AdjustmentKind.REJECT),
        (A, [], R, AdjustmentKind.REJECT),
        (P, [A], R, AdjustmentKind.REJECT),
        (P, [A], A, AdjustmentKind.APPROVE),
        (P, [A, R], A, AdjustmentKind.APPROVE),
        (P, [A, R], R, AdjustmentKind.REJECT),
        (P, [], P, None),
        (A, [], A, None),
        (R, [], R, None),
        (A, [], P, "it is approved, and not pending again"),
        (R, [], P, "it is rejected, and not pending again"),
        (R, [], A, "it is rejected, and not approved again"),
        (P, [R], A, "it is rejected, and not approved again"),
        (A, [R], P, "it is rejected, and not pending again"),
    ],
)
def test_a_status_goes_forward_and_a_word_is_taken_once(
    before: Status, since: list[Status], now: Status, taken: AdjustmentKind | str | None
) -> None:
    found = status_change(report(now), before, since)
    match found:
        case Adjustment():
            assert found.kind is taken
        case Refusal():
            assert (found.reason, found.status, found.detail) == ("status_backwards", 409, taken)
        case None:
            assert taken is None


def test_the_adjustment_is_the_conversions_and_the_same_each_time() -> None:
    said = report(A)
    first = status_change(said, P, [])
    later = msgspec.structs.replace(said, recorded_at=NOW + 60_000)
    again = status_change(later, P, [A])
    assert isinstance(first, Adjustment) and isinstance(again, Adjustment)
    assert first.conversion_key == said.conversion_key and first.transaction_id == "T1"
    assert (first.advertiser_id, first.goal, first.authentication) == (7, "sale", "token")
    assert first.event_id == again.event_id == word_id(said.conversion_key, A)  # type: ignore[arg-type]
    assert first.body_hash == again.body_hash
    rejected = status_change(report(R), P, [A])
    assert isinstance(rejected, Adjustment) and rejected.event_id != first.event_id


def test_a_browser_has_no_say_in_the_status() -> None:
    seen = entry(Channel.PIXEL).event
    assert seen.status is P and status_change(seen, A, []) is None


def test_old_journal_records_have_no_stem() -> None:
    kept = entry(status="pending")
    assert decode(encode(kept)) == kept
    before = encode(ConversionEntry(kept.event))
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(before)[:2])
    assert len(msgspec.msgpack.decode(older)) == 2
    assert decode(older) == ConversionEntry(kept.event)


@pytest.mark.parametrize(
    ("preset", "fields", "first", "then"),
    [
        ("keitaro", {"txn_id": "K-1", "goal": "sale", "payout": "5"}, "lead", "sale"),
        ("affise", {"action_id": "A-1", "goal": "sale", "sum": "20.00"}, "2", "1"),
        ("affise", {"action_id": "A-1", "goal": "sale", "sum": "20.00"}, "5", "3"),
        ("tune", {"conversion_unique_id": "U", "goal_ref": "sale"}, "pending", "approved"),
    ],
)
def test_a_vendors_second_postback_has_the_same_stem(
    preset: str, fields: dict[str, object], first: str, then: str
) -> None:
    built = []
    for status in (first, then):
        ours = translate({**fields, "status": status}, PRESETS[preset])
        assert not isinstance(ours, Refusal)
        one = read_conversion(ours, context())
        assert isinstance(one, ConversionEntry)
        built.append(one)
    assert built[0].stem == built[1].stem
    assert isinstance(status_change(built[1].event, built[0].event.status, []), Adjustment)
