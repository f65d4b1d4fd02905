"""Judges traces of wide operands: columns of four digits, fewer at the top."""

from collections.abc import Iterator

from tests.guild.trainers.bin.equation_checker import (
    BIT,
    COMPARISONS,
    DECIMAL,
    FIXED,
    NUMERAL,
    SIGNED,
    Lines,
    Problem,
    bits,
    check_extension,
    check_negation,
    require,
)

NIBBLE = 4


def check_nibbles(work: Lines, problem: Problem) -> None:
    a, b = problem.written[0], problem.written[-1]
    operation = problem.operation
    width = max(len(a), len(b))
    if operation in ("add", "increment"):
        digits, carry = columns(work, "+", bits(a), bits(b) if operation == "add" else 1, width, 0)
        require(digits + (carry << width) == problem.value, "columns give another result")
    elif operation in ("subtract", "decrement"):
        digits, borrow = columns(work, "-", bits(a), bits(b) if operation == "subtract" else 1, width, 0)
        require((digits, borrow) == (problem.value, 0), "columns give another result")
    elif operation == "multiply":
        require(products(work, bits(a), b, len(a)) == problem.value, "products give another result")
    elif operation == "multiply_signed":
        check_signed_product(work, problem)
    elif operation in SIGNED:
        check_signed_columns(work, problem)
    elif operation in (*COMPARISONS, "minimum", "maximum"):
        check_comparison(work, bits(a), bits(b), width)
    elif operation == "multiply_by_2":
        require(work.take(f"{FIXED} shift left = {FIXED}") == (a, a + "⓪"), "not shifted left")
    elif operation == "divide_by_2":
        require(work.take(f"{FIXED} shift right = {FIXED} remainder {BIT}") == (a, a[:-1], a[-1]), "not shifted right")
    elif operation == "todecimal":
        check_places(work, a)
    else:
        check_divisions(work, problem.operands[0])


def places(width: int) -> Iterator[tuple[int, int]]:
    """(position, digits) of each column from the lowest."""
    for position in range(0, width, NIBBLE):
        yield position, min(NIBBLE, width - position)


def part(number: int, position: int, digits: int) -> int:
    return number >> position & (1 << digits) - 1


def columns(work: Lines, sign: str, a: int, b: int, width: int, carry: int) -> tuple[int, int]:
    """The digits that columns of addition or subtraction give, and the last carry or borrow."""
    word = {"+": "carry", "-": "borrow"}[sign]
    total = 0
    for place, size in places(width):
        position, *found = work.take(
            rf"position {DECIMAL}: {FIXED} \{sign} {FIXED} \{sign} {BIT} = {FIXED} {word} {BIT}"
        )
        require(int(position) == place, f"position {position} where {place} belongs")
        require([len(found[n]) for n in (0, 1, 3)] == [size] * 3, f"position {place}: not {size} digits")
        x, y, carried, digits, next_carry = map(bits, found)
        require((x, y, carried) == (part(a, place, size), part(b, place, size), carry), f"{place}: wrong digits")
        if sign == "+":
            require(x + y + carried == digits + (next_carry << size), f"position {place} is false")
        else:
            require(x - y - carried == digits - (next_carry << size), f"position {place} is false")
        total, carry = total + (digits << place), next_carry
    return total, carry


def products(work: Lines, a: int, factor: str, width: int) -> int:
    total = carry = 0
    for place, size in places(width):
        position, x, b, carried, digits, next_carry = work.take(
            rf"position {DECIMAL}: {FIXED} × {NUMERAL} \+ {NUMERAL} = {FIXED} carry {NUMERAL}"
        )
        require(int(position) == place, f"position {position} where {place} belongs")
        require(len(x) == len(digits) == size, f"position {place}: not {size} digits")
        require((bits(x), b, bits(carried)) == (part(a, place, size), factor, carry), f"{place}: wrong digits")
        require(bits(x) * bits(b) + carry == bits(digits) + (bits(next_carry) << size), f"position {place} is false")
        total, carry = total + (bits(digits) << place), bits(next_carry)
    return total + (carry << width)


def check_signed_product(work: Lines, problem: Problem) -> None:
    magnitudes = []
    for name, operand in zip("ab", problem.operands, strict=True):
        (magnitude,) = work.take(rf"\|{name}\| = {NUMERAL}")
        require(bits(magnitude) == abs(operand), f"|{name}| is false")
        magnitudes.append(magnitude)
    product = products(work, bits(magnitudes[0]), magnitudes[1], len(magnitudes[0]))
    if product == 0:
        require(problem.value == 0, "the product is not zero")
        return
    signs = work.take(r"sign ([+-]) × ([+-]) = ([+-])")
    require(signs[:2] == tuple("+-"[operand < 0] for operand in problem.operands), "other signs")
    require({"+": product, "-": -product}[signs[2]] == problem.value, "the sign is false")


def check_signed_columns(work: Lines, problem: Problem) -> None:
    width = len(problem.written[0]) + 1
    for name, operand in zip("ab", problem.operands, strict=False):
        check_extension(work, name, operand, width)
    last = problem.operands[-1]
    if problem.operation == "absolute_value" and last >= 0:
        return
    if problem.operation == "add_signed":
        addends = (problem.operands[0], last, 0)
    else:
        inverse = check_negation(work, "ab"[len(problem.operands) - 1], last, width)
        addends = (problem.operands[0], inverse, 1) if len(problem.operands) == 2 else (inverse, 1, 0)
    digits, carry = columns(work, "+", addends[0], addends[1], width, addends[2])
    require(bits(work.take(f"drop carry {BIT}")[0]) == carry, "another carry was dropped")
    require((digits - problem.value) % 2**width == 0, "columns give another result")  # type: ignore[operator]


def check_comparison(work: Lines, a: int, b: int, width: int) -> None:
    for place, size in reversed([*places(width)]):
        position, left, relation, right = work.take(f"position {DECIMAL}: {FIXED} ([<=>]) {FIXED}")
        x, y = bits(left), bits(right)
        require(int(position) == place, f"position {position} where {place} belongs")
        require(len(left) == len(right) == size, f"position {place}: not {size} digits")
        require((x, y) == (part(a, place, size), part(b, place, size)), f"position {place}: wrong digits")
        require({"<": x < y, "=": x == y, ">": x > y}[relation], f"position {place} is false")
        if x != y:
            return


def check_places(work: Lines, a: str) -> None:
    total = 0
    for place, size in places(len(a)):
        position, digits, value, product, sum_so_far = work.take(
            f"position {DECIMAL}: {FIXED} × {DECIMAL} = {DECIMAL} sum {DECIMAL}"
        )
        require(int(position) == place, f"position {position} where {place} belongs")
        require(len(digits) == size and bits(digits) == part(bits(a), place, size), f"{place}: wrong digits")
        require(int(value) == 2**place, f"position {place}: wrong place value")
        require(int(product) == bits(digits) * 2**place, f"position {place}: wrong product")
        total += int(product)
        require(int(sum_so_far) == total, f"position {place}: wrong sum")


def check_divisions(work: Lines, number: int) -> None:
    place = 0
    while number:
        position, dividend, quotient, digits = work.take(
            rf"position {DECIMAL}: {DECIMAL} = 16 × {DECIMAL} \+ ([⓪①]{{4}})"
        )
        require(int(position) == place, f"position {position} where {place} belongs")
        require(int(dividend) == number == 16 * int(quotient) + bits(digits), f"position {place} is false")
        number, place = int(quotient), place + NIBBLE
