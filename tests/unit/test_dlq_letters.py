"""Choosing dead letters, and decoding what is left of a value."""

from __future__ import annotations

import pytest

from afflux.runtime.codec import Codec
from afflux.runtime.dlq import Letter, choose
from afflux.runtime.partial import decode_partially
from afflux.runtime.refused import Refused
from afflux.runtime.schemas import registry
from tests.fraud_samples import click
from tests.monitor_samples import letter

SCHEMAS = registry()
VALUE = Codec.load().encode(click(1))
LETTERS = [Letter(letter(n), n) for n in range(3)]


def test_the_beginning_of_an_id_is_enough_when_it_is_one_letters():
    assert choose(LETTERS, [LETTERS[1].id[:8].upper(), LETTERS[0].id]) == [LETTERS[1], LETTERS[0]]


@pytest.mark.parametrize("text", ["", "ab", "ffffffffffff"])
def test_an_id_that_is_nobodys_or_too_short_is_refused_by_name(text: str):
    with pytest.raises(Refused, match=repr(text)):
        choose(LETTERS, [text])


def test_an_id_that_two_letters_begin_with_is_refused():
    with pytest.raises(Refused, match="2 dead letters"):
        choose([LETTERS[0], LETTERS[0]], [LETTERS[0].id])


def test_a_whole_value_decodes_whole():
    found = decode_partially(VALUE, SCHEMAS)
    assert (found.schema, found.stopped_at, found.problem) == ("click/v1", None, None)
    assert found.fields["journal_position"] == 1


def test_a_cut_value_decodes_up_to_the_cut():
    found = decode_partially(VALUE[:-20], SCHEMAS)
    assert found.stopped_at in ("os", "browser", "device")
    assert found.fields["user_agent"].startswith("Mozilla")
    assert found.problem


def test_bytes_too_many_are_told():
    assert decode_partially(VALUE + b"xy", SCHEMAS).problem == "2 bytes too many"


@pytest.mark.parametrize("bad", [None, b"", b"\x00\x00", b"{}", b"\x00\x00\x00\x7f\xff123"])
def test_what_has_no_known_frame_has_no_fields(bad: bytes | None):
    found = decode_partially(bad, SCHEMAS)
    assert (found.schema, found.fields) == (None, {})
    assert found.problem


def test_no_cut_and_no_byte_changed_makes_it_raise():
    for place in range(5, len(VALUE)):
        decode_partially(VALUE[:place], SCHEMAS)
        decode_partially(VALUE[:place] + b"\xff" + VALUE[place + 1 :], SCHEMAS)
