"""The first fields of a value are those of the whole event, in every version of its schema."""

from __future__ import annotations

import pytest

from afflux.kernel.events import Click, Decision
from afflux.runtime.codec import Codec
from afflux.runtime.heads import Heads
from afflux.runtime.schemas import registry
from services.attribution.table import MemoryTable
from tests.attribution_events import Log, click, conversion
from tests.attribution_samples import Worker

CODEC = Codec.load()


def test_the_head_of_a_decision_has_its_version() -> None:
    log = Log([click(number, number * 1_000, who=number % 3) for number in range(20)]).screen()
    log.conversions = [conversion(n, 60_000, named=one) for n, one in enumerate(log.clicks)]
    decisions = Worker(log, MemoryTable()).drain().published
    heads = Heads(Decision, "version")
    for one in decisions:
        found = heads.read(CODEC.encode(one))
        assert found is not None
        assert found["version"] == one.version and found["conversion_key"] == one.conversion_key
        assert "shares" not in found


def test_every_version_of_a_decision_has_the_field() -> None:
    versions = [one for one in registry().by_id.values() if one.event is Decision]
    assert len(Heads(Decision, "version")._schemas) == len(versions) >= 3


def test_what_is_no_such_event_has_no_head() -> None:
    heads = Heads(Decision, "version")
    for value in (None, b"", b"junk!", CODEC.encode(click(1, 1)), b"\x00\x00\x00\x03\xe7abc"):
        assert heads.read(value) is None
    with pytest.raises(ValueError, match="no field wrong"):
        Heads(Click, "wrong")
