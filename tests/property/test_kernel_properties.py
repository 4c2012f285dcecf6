"""Laws of the kernel over generated values."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.ids import conversion_key, derive, parse_ulid, ulid, ulid_text, ulid_time
from afflux.kernel.money import Money, allocate, major, parse_amount
from afflux.kernel.token import ClickToken, TokenError, sign, verify

id16 = st.binary(min_size=16, max_size=16)
number = st.integers(0, 2**40)
tokens = st.builds(ClickToken, id16, id16, number, number, number, number)
KEY = b"k" * 32


@st.composite
def shares(draw: st.DrawFn) -> list[Fraction]:
    weights = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any))
    return [Fraction(weight, sum(weights)) for weight in weights]


@given(st.integers(-(10**15), 10**15), shares())
def test_A1_parts_sum_to_the_whole_and_none_is_a_unit_off(
    total: int, parts: list[Fraction]
) -> None:
    divided = allocate(total, parts)
    assert sum(divided) == total
    assert all(abs(got - total * share) < 1 for got, share in zip(divided, parts, strict=True))


@given(st.integers(0, 10**12), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_amounts_survive_their_text(minor: int, currency: str) -> None:
    assert parse_amount(major(minor, currency), currency) == Money(minor, currency)


@given(tokens, st.integers(0, 255))
def test_T3_a_token_carries_what_was_signed(token: ClickToken, key_id: int) -> None:
    assert verify(sign(token, key_id, KEY), {key_id: KEY}) == token


@given(tokens, st.data())
def test_T3_a_token_with_any_character_changed_is_refused(
    token: ClickToken, data: st.DataObject
) -> None:
    text = sign(token, 1, KEY)
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0189-_"))
    if text[at] == char:
        return
    with pytest.raises(TokenError):
        verify(text[:at] + char + text[at + 1 :], {1: KEY})


@given(st.text(max_size=200))
def test_T3_no_text_from_outside_passes(text: str) -> None:
    with pytest.raises(TokenError) as refused:
        verify(text, {1: KEY})
    assert refused.value.reason.startswith("click_id_")


@given(tokens)
def test_T3_another_networks_key_does_not_sign_for_us(token: ClickToken) -> None:
    with pytest.raises(TokenError) as refused:
        verify(sign(token, 1, b"x" * 32), {1: KEY})
    assert refused.value.reason == "click_id_forged"


parts = st.lists(st.one_of(st.none(), st.binary(), st.text(), st.integers()), max_size=5)


@given(parts, parts)
def test_I3_ids_derived_from_other_parts_differ(left: list[object], right: list[object]) -> None:
    same = [(type(v), v) for v in left] == [(type(v), v) for v in right]
    assert (derive("k", *left) == derive("k", *right)) == same  # type: ignore[arg-type]


@given(st.integers(1, 99), st.text(min_size=1), st.text(min_size=1), id16)
def test_I1_a_conversion_is_its_advertiser_goal_and_transaction(
    advertiser: int, goal: str, transaction: str, click: bytes
) -> None:
    key = conversion_key(advertiser, goal, transaction, None)  # type: ignore[arg-type]
    assert key == conversion_key(advertiser, goal, transaction, click)  # type: ignore[arg-type]
    assert key != conversion_key(advertiser + 1, goal, transaction, None)  # type: ignore[arg-type]
    assert key != conversion_key(advertiser, goal + "x", transaction, None)  # type: ignore[arg-type]


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_a_ulid_keeps_its_time_and_its_text(at: int, entropy: bytes) -> None:
    value = ulid(at, entropy)  # type: ignore[arg-type]
    assert ulid_time(value) == at
    assert parse_ulid(ulid_text(value)) == value
