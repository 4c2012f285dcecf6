"""Properties of the pure parts of tracking, for any input."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, unquote_plus, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Adjustment, Conversion, Status
from afflux.kernel.macros import compile_template
from services.tracking.domain.clicks import read_visitor
from services.tracking.domain.conversions import build_conversion, read_conversion
from services.tracking.domain.entries import Kind
from services.tracking.domain.extras import read_extras
from services.tracking.domain.redaction import redact_body, redact_query
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.requests import json_items, parse_params
from services.tracking.domain.signature import compute, matches, message
from services.tracking.domain.status_changes import status_change
from services.tracking.journal.segment import Header, frame, frames, unpack_header
from tests.tracking_samples import context

FIELDS = ("txn_id", "click_id", "goal", "amount", "currency", "status", "customer_id", "coupon")
values = st.one_of(
    st.none(), st.booleans(), st.text(max_size=40), st.integers(), st.lists(st.integers())
)
payloads = st.lists(
    st.tuples(st.sampled_from([int(kind) for kind in Kind]), st.binary(min_size=1, max_size=60)),
    max_size=12,
)


def framed(records: list[tuple[int, bytes]]) -> bytes:
    return b"".join(frame(kind, payload) for kind, payload in records)


@given(st.text(max_size=200))
def test_T4_a_macro_value_is_one_parameter_whatever_it_holds(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    url = compile_template("https://shop.example/p?a=1&s={sub1}&z=2").render({"sub1": value})
    parts = urlsplit(url)
    found = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    assert (parts.netloc, parts.path) == ("shop.example", "/p")
    assert found == {"a": ["1"], "s": [value], "z": ["2"]}
    assert url.isascii() and url.isprintable()


@given(st.text(max_size=300))
def test_S1_a_template_is_accepted_or_refused_never_crashes(url: str) -> None:
    try:
        template = compile_template(url)
    except ValueError:
        return
    assert urlsplit(template.render({})).scheme in ("http", "https")


@given(st.dictionaries(st.sampled_from(FIELDS), values))
def test_S1_any_fields_give_a_conversion_or_a_refusal(fields: dict[str, object]) -> None:
    built = build_conversion(fields, context())
    assert isinstance(built, (Conversion, Refusal))
    if isinstance(built, Refusal):
        json.dumps(built.as_answer()).encode()


@given(st.dictionaries(st.text(max_size=8), values), st.text(max_size=20))
def test_I2_what_is_not_a_field_does_not_change_the_body_hash(
    noise: dict[str, object], txn_id: str
) -> None:
    report = {"txn_id": "t" + txn_id, "goal": "sale"}
    known = {*FIELDS, "order_time", "new_customer", "country", "offer_id", "items"}
    noise = {name: value for name, value in noise.items() if name not in known}
    plain = build_conversion(report, context())
    noisy = build_conversion({**noise, **report}, context())
    assert plain == noisy


@given(st.dictionaries(st.sampled_from(FIELDS), values))
def test_I2_the_stem_is_the_body_hash_of_the_same_report_without_a_status(
    fields: dict[str, object],
) -> None:
    plain = read_conversion({**fields, "status": None}, context())
    for status in Status:
        said = read_conversion({**fields, "status": status}, context())
        if isinstance(plain, Refusal) or isinstance(said, Refusal):
            assert plain == said
            continue
        assert said.stem == plain.stem == plain.event.body_hash != said.event.body_hash
        assert said.event.status is status


@given(st.lists(st.sampled_from(Status), min_size=1, max_size=8))
def test_I2_whatever_words_come_each_is_taken_once_and_none_undoes_a_rejection(
    words: list[Status],
) -> None:
    first, taken = words[0], list[Status]()
    for word in words[1:]:
        built = build_conversion({"txn_id": "t", "goal": "sale", "status": word}, context())
        assert isinstance(built, Conversion)
        change = status_change(built, first, taken)
        if isinstance(change, Adjustment) and word not in taken:
            assert Status.REJECTED not in (first, *taken)
            taken.append(word)
    assert len(taken) == len(set(taken)) and Status.PENDING not in taken
    assert (taken or [first])[-1] is (
        Status.REJECTED
        if Status.REJECTED in words
        else (Status.APPROVED if Status.APPROVED in words else Status.PENDING)
    )


@given(st.binary(max_size=200))
def test_S1_any_body_is_read_or_refused(body: bytes) -> None:
    assert isinstance(json_items(body, "conversions"), (tuple, Refusal))
    assert isinstance(parse_params(body.decode("latin-1")), (dict, Refusal))
    read_extras(body.decode("latin-1"))
    read_visitor(body.decode("latin-1"))


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=60), st.integers(0, 10_000))
def test_T3_a_changed_request_has_another_signature(key: bytes, body: bytes, at: int) -> None:
    signed = message("POST", "/postback", "a=1", "1", "nonce-00", body)
    signature = compute(key, signed)
    place = at % len(signed)
    changed = signed[:place] + bytes((signed[place] ^ 1,)) + signed[place + 1 :]
    assert matches(key, signed, signature) and not matches(key, changed, signature)


@given(st.text(alphabet="abtokensig=&%1", max_size=60))
def test_S4_redaction_leaves_no_token(query: str) -> None:
    for part in redact_query(query).split("&"):
        if unquote_plus(part.partition("=")[0]) in ("token", "sig") and "=" in part:
            assert part.endswith("=***")


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), st.data())
def test_S4_json_keeps_all_but_its_token(fields: dict[str, object], data: st.DataObject) -> None:
    name = "".join(data.draw(st.sampled_from([c, f"\\u{ord(c):04x}"])) for c in "token")
    secret = data.draw(st.sampled_from(["S3CRET", ["S3CRET"], {"a": ["S3CRET", 1]}, 'S3CRET"']))
    others = {key: value for key, value in fields.items() if key.strip() not in ("token", "sig")}
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in others.items()]
    parts.insert(data.draw(st.integers(0, len(parts))), f'"{name}" : {json.dumps(secret)}')
    body = "{" + ",".join(parts) + "}"
    hidden = redact_body(body.encode(), is_json=True)
    assert b"S3CRET" not in hidden
    found = json.loads(hidden)
    found.pop("token")
    assert found == others
    cut = data.draw(st.integers(0, len(body)))
    assert b"S3CRET" not in redact_body(body[:cut].encode(), is_json=data.draw(st.booleans()))


@given(payloads, st.integers(0, 10_000))
def test_T2_a_torn_tail_is_cut_at_the_last_good_record(
    records: list[tuple[int, bytes]], cut: int
) -> None:
    data = framed(records)
    cut %= len(data) + 1
    read = [(kind, payload) for kind, payload, _ in frames(data[:cut])]
    assert read == records[: len(read)]
    ends = [end for _, _, end in frames(data)]
    assert len(read) == sum(end <= cut for end in ends)


@given(payloads, st.integers(0, 10_000), st.integers(1, 255))
def test_T2_a_damaged_byte_ends_the_reading_before_it(
    records: list[tuple[int, bytes]], place: int, flip: int
) -> None:
    data = bytearray(framed(records))
    if not data:
        return
    place %= len(data)
    data[place] ^= flip
    read = [(kind, payload) for kind, payload, _ in frames(bytes(data))]
    untouched = sum(end <= place for _, _, end in frames(framed(records)))
    assert read == records[:untouched]


@given(st.lists(st.integers(0, 2**63), min_size=9, max_size=9))
def test_T2_a_header_comes_back_or_is_known_to_be_damaged(numbers: list[int]) -> None:
    header = Header(numbers[0], numbers[1], numbers[2], tuple(numbers[3:8]), numbers[8])
    packed = header.pack()
    assert unpack_header(packed) == header
    assert unpack_header(packed[:-1]) is None
    assert unpack_header(packed[:9] + bytes((packed[9] ^ 1,)) + packed[10:]) is None
