"""Money: minor units, exact division, clear refusals."""

from __future__ import annotations

from fractions import Fraction

import pytest

from afflux.kernel.money import MAX_MINOR, Money, allocate, digits, parse_amount


@pytest.mark.parametrize(
    ("currency", "places"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("USD", 2)]
)
def test_minor_units_follow_iso_4217(currency: str, places: int) -> None:
    assert digits(currency) == places


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("12.34", "EUR", 1234), ("500", "JPY", 500), ("1.234", "KWD", 1234), ("0", "USD", 0)],
)
def test_decimal_text_becomes_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "word"),
    [
        ("12.345", "EUR", "decimals"),
        ("1.5", "JPY", "decimals"),
        ("-1", "EUR", "negative"),
        ("1e3", "EUR", "decimal amount"),
        ("NaN", "EUR", "decimal amount"),
        ("1,50", "EUR", "decimal amount"),
        ("", "EUR", "decimal amount"),
        ("٣", "EUR", "decimal amount"),
        (str(MAX_MINOR), "EUR", "largest"),
        ("1", "XXX", "ISO 4217"),
        ("1", "eur", "ISO 4217"),
    ],
)
def test_what_is_no_amount_is_refused_with_a_sentence(text: str, currency: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse_amount(text, currency)


def test_A1_money_is_divided_by_largest_remainder_in_the_order_of_the_shares() -> None:
    third = Fraction(1, 3)
    assert allocate(100, [third, third, third]) == [34, 33, 33]
    assert allocate(101, [Fraction(1, 2), Fraction(1, 2)]) == [51, 50]
    assert allocate(-100, [third, third, third]) == [-34, -33, -33]
    assert allocate(5, [Fraction(2, 5), Fraction(1, 5), Fraction(2, 5)]) == [2, 1, 2]


def test_shares_that_are_no_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        allocate(100, [Fraction(1, 3), Fraction(1, 3)])
    with pytest.raises(ValueError, match="non-negative"):
        allocate(100, [Fraction(3, 2), Fraction(-1, 2)])


def test_conversion_scales_between_currencies_with_other_digits() -> None:
    assert Money(1000, "EUR").convert(Fraction("162.5"), "JPY") == Money(1625, "JPY")
    assert Money(1625, "JPY").convert(1 / Fraction("162.5"), "EUR") == Money(1000, "EUR")


def test_rounding_is_half_to_even() -> None:
    assert Money(5, "EUR").times(Fraction(1, 2)) == Money(2, "EUR")
    assert Money(7, "EUR").times(Fraction(1, 2)) == Money(4, "EUR")


def test_currencies_never_mix() -> None:
    with pytest.raises(ValueError, match="cannot mix"):
        Money(1, "EUR") + Money(1, "USD")


def test_text_is_for_people() -> None:
    assert Money(-1234, "EUR").text() == "-12.34 EUR"
    assert Money(1234, "JPY").text() == "1234 JPY"
