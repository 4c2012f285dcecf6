"""What the shipper makes by hand equals what the libraries make, for any entry."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Click, ClickOutcome, Impression
from afflux.runtime.avro_pieces import BYTES, Layout, Memo, counting, long
from afflux.runtime.codec import Codec
from afflux.runtime.partitioning import choose
from afflux.runtime.settings import Settings
from services.tracking.domain.agents import Agent
from services.tracking.domain.blocks import block as encode_block
from services.tracking.domain.blocks import read_row
from services.tracking.domain.entries import (
    ClickEntry,
    ImpressionEntry,
    Kind,
    decode,
    encode,
    to_event,
)
from services.tracking.journal import JournalDamaged, StoredRecord
from services.tracking.packing import Packer
from services.tracking.visits import visit_encoders

CODEC = Codec.load()
EDGE, TENANT = "edge-t", 3


def classify(user_agent: str, hints: str | None) -> Agent:
    """A classifier that lets every character through."""
    return Agent(user_agent[:3], hints or "none", user_agent[-2:])


class Classes:
    """The same, as the packer asks for it."""

    def classify(self, user_agent: str, hints: str | None = None) -> Agent:
        return classify(user_agent, hints)


KINDS = {0: Kind.CLICK, 4: Kind.IMPRESSION}
ENCODERS = visit_encoders(CODEC, EDGE, TENANT, classify)
ids16 = st.binary(min_size=16, max_size=16)
longs = st.integers(0, 2**63 - 1)
short = st.text(max_size=80)
strange = st.sampled_from(["", "a" * 63, "a" * 64, "я" * 255, "\x00", "💶" * 1_100])
texts = st.one_of(short, strange)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "click_id": ids16,
    "impression_id": ids16,
    "visitor_key": ids16,
    "visitor_is_new": st.booleans(),
    "received_at": st.integers(0, 253_402_300_799_999),
    "ip_hash": st.binary(max_size=40),
    "sub": st.lists(texts, max_size=12),
    "outcome": st.sampled_from(ClickOutcome),
}
BY_TYPE: dict[object, st.SearchStrategy[Any]] = {
    int: longs,
    int | None: st.none() | longs,
    str: texts,
    str | None: st.none() | texts,
}


def entries(kind: type[ClickEntry] | type[ImpressionEntry]) -> st.SearchStrategy[Any]:
    found = msgspec.structs.fields(kind)
    return st.builds(
        kind, *[FIELDS[f.name] if f.name in FIELDS else BY_TYPE[f.type] for f in found]
    )


@given(st.lists(entries(ClickEntry) | entries(ImpressionEntry), max_size=4), longs)
def test_T2_a_visit_is_encoded_byte_for_byte_as_the_codec_does(
    visits: list[ClickEntry | ImpressionEntry], position: int
) -> None:
    for visit in visits:
        agent = classify(visit.user_agent, visit.hints)
        expected = CODEC.encode(to_event(visit, position, EDGE, TENANT, agent))
        row = read_row(encode(visit))
        assert ENCODERS[row[0]](row, position) == expected


@given(entries(ClickEntry) | entries(ImpressionEntry))
def test_T2_a_visit_comes_out_of_the_journal_as_it_went_in(
    visit: ClickEntry | ImpressionEntry,
) -> None:
    assert decode(encode(visit)) == visit


BLOCKS = {"link": 4, "where": 8, "agent": 9, "page": 10, "said": 11, "end": 13}


@pytest.mark.parametrize("name", BLOCKS)
@given(
    visit=entries(ClickEntry) | entries(ImpressionEntry),
    foreign=st.sampled_from([b"", b"\xc1", encode_block("x"), encode_block((1, 2, 3)), b"\x90"]),
)
def test_T2_a_foreign_block_is_an_error_and_never_an_event(
    name: str, visit: ClickEntry | ImpressionEntry, foreign: bytes
) -> None:
    row = list(read_row(encode(visit)))
    row[BLOCKS[name]] = foreign
    damaged = encode_block(row)
    with pytest.raises(msgspec.MsgspecError):
        ENCODERS[row[0]](read_row(damaged), 1)  # type: ignore[index]
    with pytest.raises(msgspec.MsgspecError):
        decode(damaged)
    packer = Packer(Settings(), CODEC, Classes())
    with pytest.raises(JournalDamaged, match="position 7"):
        packer.pack([StoredRecord(7, KINDS[row[0]], damaged)])


@given(st.lists(entries(ClickEntry) | entries(ImpressionEntry), max_size=5))
def test_T2_visits_are_packed_in_order_under_their_visitors(
    visits: list[ClickEntry | ImpressionEntry],
) -> None:
    records = [
        StoredRecord(at, KINDS[read_row(encode(visit))[0]], encode(visit))
        for at, visit in enumerate(visits)
    ]
    packed = Packer(Settings(), CODEC, Classes()).pack(records)
    for kind, topic in ((ClickEntry, Click.topic), (ImpressionEntry, Impression.topic)):
        mine = [(at, visit) for at, visit in enumerate(visits) if type(visit) is kind]
        positions, parcels = packed[topic]
        assert positions == [at for at, _ in mine]
        assert [(p.key, p.timestamp) for p in parcels] == [
            (visit.visitor_key, visit.received_at) for _, visit in mine
        ]


@given(entries(ClickEntry) | entries(ImpressionEntry))
def test_T2_a_visit_of_the_other_kind_is_an_error(visit: ClickEntry | ImpressionEntry) -> None:
    row = read_row(encode(visit))
    with pytest.raises(msgspec.MsgspecError):
        ENCODERS[4 - row[0]](row, 1)


@given(st.lists(ids16, max_size=30), st.integers(1, 64))
def test_T2_keys_go_where_kafkas_own_clients_put_them(keys: list[bytes], partitions: int) -> None:
    numbers = list(range(partitions))
    expected = [DefaultPartitioner()(key, numbers, numbers) for key in keys]
    assert choose(keys, partitions) == expected


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 64))
def test_T2_keys_of_any_length_go_there_too(keys: list[bytes], partitions: int) -> None:
    numbers = list(range(partitions))
    expected = [DefaultPartitioner()(key, numbers, numbers) for key in keys]
    assert choose(keys, partitions) == expected


@given(longs)
def test_a_fast_number_is_the_number(value: int) -> None:
    assert counting(value) == long(value)


def test_a_memo_forgets_instead_of_growing() -> None:
    memo = Memo(str.encode, limit=3)
    assert [memo[text] for text in "abcdab"] == [b"a", b"b", b"c", b"d", b"a", b"b"]
    assert len(memo) <= 3


def test_another_schema_is_a_loud_error() -> None:
    schema = CODEC.newest(Click)
    with pytest.raises(ValueError, match="the next fields are"):
        Layout(schema).hot(BYTES, "occurred_at")
    layout = Layout(schema)
    layout.hot(BYTES, "event_id")
    with pytest.raises(ValueError, match="occurred_at is long, not bytes"):
        layout.hot(BYTES, "occurred_at")
    with pytest.raises(ValueError, match="nobody encodes"):
        layout.done()
