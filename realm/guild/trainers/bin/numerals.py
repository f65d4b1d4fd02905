"""Binary numerals in circled digits: unsigned without leading zeros, signed in two's complement."""

ZERO, ONE = "⓪", "①"
DIGITS = ZERO + ONE  # a digit's place in this string is its value
_CIRCLED = str.maketrans("01", DIGITS)
_PLAIN = str.maketrans(DIGITS, "01")
_INVERTED = str.maketrans(DIGITS, DIGITS[::-1])


def unsigned(number: int) -> str:
    """Raises ValueError for a negative number."""
    if number < 0:
        raise ValueError(f"{number} has no unsigned numeral: write it with signed()")
    return f"{number:b}".translate(_CIRCLED)


def signed(number: int, width: int) -> str:
    """Raises ValueError where the number needs more than `width` digits, so that nothing ever wraps."""
    half = 1 << width - 1
    if not -half <= number < half:
        raise ValueError(f"{number} does not fit into {width} digits of two's complement")
    return f"{number & 2 * half - 1:0{width}b}".translate(_CIRCLED)


def number_of(numeral: str) -> int:
    """The value of an unsigned numeral; leading zeros are allowed."""
    return int(numeral.translate(_PLAIN), 2)


def extended(numeral: str) -> str:
    """The same signed value with one digit more."""
    return numeral[0] + numeral


def inverted(numeral: str) -> str:
    return numeral.translate(_INVERTED)
