"""How far a shipper is, told from the journal's files: places, bytes behind them, ages."""

from __future__ import annotations

from pathlib import Path

import pytest

from afflux.kernel.events import Conversion
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.entries import wrap
from services.tracking.journal import JournalReader
from services.tracking.journal.place import bytes_behind, first_record_at, place_after
from services.tracking.journal.segment import frame, segments
from services.tracking.journal.store import Store
from tests.tracking_samples import NOW, context


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of 12 conversions in a few segments."""
    store = Store(tmp_path, 2_000)
    for number in range(12):
        event = build_conversion({"txn_id": f"t{number}", "goal": "sale"}, context())
        assert isinstance(event, Conversion)
        kind, payload = wrap(event)
        store.write([frame(kind, payload)], [kind])
    store.close()
    return tmp_path


def test_T2_the_place_behind_a_position_is_where_a_reader_stands_after_it(journal: Path) -> None:
    places = [place_after(journal, position) for position in range(-1, 12)]
    behind = [bytes_behind(journal, place) for place in places]
    assert behind == sorted(set(behind), reverse=True) and behind[-1] == 0
    assert behind[0] == bytes_behind(journal, None)
    reader = JournalReader(journal)
    while records := reader.read(500):
        assert bytes_behind(journal, reader.place()) == behind[records[-1].position + 1]
    reader.close()


def test_T2_the_oldest_unshipped_record_tells_its_time_until_all_is_shipped(journal: Path) -> None:
    assert first_record_at(journal, None) == NOW
    assert all(first_record_at(journal, place_after(journal, n)) == NOW for n in range(-1, 11))
    assert first_record_at(journal, place_after(journal, 11)) is None


def test_T2_a_place_in_a_deleted_segment_is_before_what_is_left(journal: Path) -> None:
    place = place_after(journal, 0)
    assert place is not None and place[0] == segments(journal)[0]
    place[0].unlink()
    assert first_record_at(journal, place) == NOW
    assert bytes_behind(journal, place) == bytes_behind(journal, None)
    assert first_record_at(journal / "nowhere", None) is None
