"""Numerals: two's complement at a width, and nothing ever wraps."""

import pytest

from realm.guild.trainers.bin.numerals import extended, inverted, number_of, signed, unsigned


@pytest.mark.parametrize(("number", "numeral"), [(0, "⓪"), (1, "①"), (2, "①⓪"), (13, "①①⓪①")])
def test_unsigned_numerals_have_no_leading_zeros(number: int, numeral: str) -> None:
    assert unsigned(number) == numeral
    assert number_of("⓪⓪" + numeral) == number


@pytest.mark.parametrize(("number", "numeral"), [(-4, "①⓪⓪"), (-1, "①①①"), (0, "⓪⓪⓪"), (3, "⓪①①")])
def test_signed_numerals_fill_their_width(number: int, numeral: str) -> None:
    assert signed(number, 3) == numeral
    assert signed(number, 4) == extended(numeral)
    assert signed(-number - 1, 3) == inverted(numeral)


@pytest.mark.parametrize("number", [-5, 4])
def test_a_number_too_wide_is_refused_instead_of_wrapped(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} does not fit into 3 digits"):
        signed(number, 3)


def test_a_negative_number_has_no_unsigned_numeral() -> None:
    with pytest.raises(ValueError, match="-1 has no unsigned numeral"):
        unsigned(-1)
