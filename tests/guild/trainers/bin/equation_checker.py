"""A judge of BIN answers that shares nothing with the generator: its own grammar, and plain integers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

BIT = r"([⓪①])"
NUMERAL = r"(⓪|①[⓪①]*)"  # unsigned, without leading zeros
FIXED = r"([⓪①]+)"  # two's complement
DECIMAL = r"(0|[1-9][0-9]*)"
INTEGER = r"(0|-?[1-9][0-9]*)"
BRACKETED = r"(0|[1-9][0-9]*|\(-[1-9][0-9]*\))"

SIGNED_PAIRS = ("add_signed", "subtract_signed", "multiply_signed")
SIGNED = (*SIGNED_PAIRS, "negate", "absolute_value")
COMPARISONS = ("equals", "lessthan", "greaterthan")
PAIRS = ("add", "subtract", "multiply", "minimum", "maximum", *COMPARISONS, *SIGNED_PAIRS)

VALUES: dict[str, Callable[..., object]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "increment": lambda a: a + 1,
    "decrement": lambda a: a - 1,
    "add_signed": lambda a, b: a + b,
    "subtract_signed": lambda a, b: a - b,
    "multiply_signed": lambda a, b: a * b,
    "negate": lambda a: -a,
    "absolute_value": lambda a: a if a >= 0 else -a,
    "equals": lambda a, b: a == b,
    "lessthan": lambda a, b: a < b,
    "greaterthan": lambda a, b: a > b,
    "minimum": lambda a, b: a if a < b else b,
    "maximum": lambda a, b: b if a < b else a,
    "multiply_by_2": lambda a: a + a,
    "divide_by_2": lambda a: (a // 2, a % 2),
    "tobinary": lambda a: a,
    "todecimal": lambda a: a,
}

EQUATIONS = {
    "add": rf"{DECIMAL} \+ {DECIMAL} = {DECIMAL}",
    "subtract": rf"{DECIMAL} - {DECIMAL} = {DECIMAL}",
    "multiply": rf"{DECIMAL} × {DECIMAL} = {DECIMAL}",
    "increment": rf"{DECIMAL} \+ 1 = {DECIMAL}",
    "decrement": rf"{DECIMAL} - 1 = {DECIMAL}",
    "add_signed": rf"{BRACKETED} \+ {BRACKETED} = {INTEGER}",
    "subtract_signed": rf"{BRACKETED} - {BRACKETED} = {INTEGER}",
    "multiply_signed": rf"{BRACKETED} × {BRACKETED} = {INTEGER}",
    "negate": rf"-\({INTEGER}\) = {INTEGER}",
    "absolute_value": rf"\|{INTEGER}\| = {DECIMAL}",
    "equals": rf"{DECIMAL} == {DECIMAL} is (True|False)",
    "lessthan": rf"{DECIMAL} < {DECIMAL} is (True|False)",
    "greaterthan": rf"{DECIMAL} > {DECIMAL} is (True|False)",
    "minimum": rf"min\({DECIMAL}, {DECIMAL}\) = {DECIMAL}",
    "maximum": rf"max\({DECIMAL}, {DECIMAL}\) = {DECIMAL}",
    "multiply_by_2": rf"2 × {DECIMAL} = {DECIMAL}",
    "divide_by_2": rf"{DECIMAL} = 2 × {DECIMAL} \+ ([01])",
}


class FalseLine(ValueError):
    """A line that is false, out of place, missing or not understood."""


def require(truth: bool, reason: str) -> None:
    if not truth:
        raise FalseLine(reason)


def match(pattern: str, text: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, text)
    if found is None:
        raise FalseLine(f"{text!r} is not of the form {pattern}")
    return found.groups()


def match_after(beginning: str, pattern: str, text: str) -> tuple[str, ...]:
    require(text.startswith(beginning), f"{text!r} does not begin with {beginning!r}")
    return match(pattern, text[len(beginning) :])


def bits(numeral: str) -> int:
    value = 0
    for digit in numeral:
        value = 2 * value + "⓪①".index(digit)
    return value


def twos_complement(numeral: str) -> int:
    return bits(numeral) - ("⓪①".index(numeral[0]) << len(numeral))


class Lines:
    """The lines of an answer, taken one after the other."""

    def __init__(self, lines: list[str]):
        self.rest = list(lines)

    def take(self, pattern: str, beginning: str = "") -> tuple[str, ...]:
        require(bool(self.rest), f"a line of the form {beginning}{pattern} is missing")
        return match_after(beginning, pattern, self.rest.pop(0))

    def end(self) -> None:
        require(not self.rest, f"lines too many: {self.rest}")


@dataclass
class Problem:
    text: str
    operation: str
    written: list[str]
    operands: list[int]

    @property
    def value(self) -> object:
        return VALUES[self.operation](*self.operands)


def check(prompt: str, answer: str) -> None:
    """Raises FalseLine unless the answer is complete, in order, and every line of it is true."""
    signal, text, operation, arguments = match(
        r"Compute(?: \[(verify|show-work|trace)\])?: (([a-z_0-9]+)\((.*)\))", prompt
    )
    problem = read_problem(text, operation, arguments)
    lines = answer.split("\n")
    if signal in (None, "verify"):
        check_result(lines.pop(0), problem)
    else:
        check_result(lines.pop(), problem)
    work = Lines(lines)
    if signal == "verify":
        check_equation(work.take("Verification: (.*)")[0], problem)
    elif signal is not None:
        check_operands(work, problem)
        if signal == "show-work":
            check_equation(work.take("(.*)")[0], problem)
        else:
            check_trace(work, problem)
    work.end()


def read_problem(text: str, operation: str, arguments: str) -> Problem:
    require(operation in VALUES, f"unknown operation {operation}")
    written = arguments.split(", ")
    require(len(written) == (2 if operation in PAIRS else 1), f"{text}: wrong number of operands")
    if operation in SIGNED:
        require(len(set(map(len, written))) == 1, f"{text}: signed operands of different widths")
        operands = [twos_complement(match(FIXED, one)[0]) for one in written]
    elif operation == "tobinary":
        operands = [int(match(DECIMAL, one)[0]) for one in written]
    else:
        operands = [bits(match(NUMERAL, one)[0]) for one in written]
    require(operation != "subtract" or operands[0] >= operands[1], f"{text}: below zero")
    require(operation != "decrement" or operands[0] >= 1, f"{text}: below zero")
    return Problem(text, operation, written, operands)


def check_result(line: str, problem: Problem) -> None:
    (result,) = match_after(f"{problem.text} = ", "(.*)", line)
    require(read_result(result, problem) == problem.value, f"{line} is false")


def read_result(result: str, problem: Problem) -> object:
    if problem.operation in SIGNED:
        width = len(problem.written[0])
        wanted = 2 * width if problem.operation == "multiply_signed" else width + 1
        (numeral,) = match(FIXED, result)
        require(len(numeral) == wanted, f"{problem.text} = {result}: {wanted} digits expected")
        return twos_complement(numeral)
    if problem.operation in COMPARISONS:
        return match("(True|False)", result)[0] == "True"
    if problem.operation == "divide_by_2":
        quotient, remainder = match(rf"{NUMERAL} remainder {BIT}", result)
        return bits(quotient), bits(remainder)
    if problem.operation == "todecimal":
        return int(match(DECIMAL, result)[0])
    return bits(match(NUMERAL, result)[0])


def check_equation(line: str, problem: Problem) -> None:
    """The decimal equation must be about the problem's own numbers."""
    if problem.operation in ("tobinary", "todecimal"):
        check_sum_of_places(line, problem.operands[0])
        return
    found = [read_decimal(group) for group in match(EQUATIONS[problem.operation], line)]
    value = problem.value if isinstance(problem.value, tuple) else (problem.value,)
    require(found == [*problem.operands, *value], f"{line} is false or not about {problem.text}")


def read_decimal(text: str) -> int:
    return text == "True" if text in ("True", "False") else int(text.strip("()"))


def check_sum_of_places(line: str, number: int) -> None:
    left, right = match(rf"([0-9 +]+) = {DECIMAL}", line)
    terms = [int(match(DECIMAL, term)[0]) for term in left.split(" + ")]
    require(sum(terms) == int(right) == number, f"{line} is false or not about {number}")
    require(terms == sorted(set(terms), reverse=True), f"{line}: places out of order")
    require(terms == [0] or all(bin(term).count("1") == 1 for term in terms), f"{line}: not place values")


def check_operands(work: Lines, problem: Problem) -> None:
    for name, written, operand in zip("ab", problem.written, problem.operands, strict=False):
        if problem.operation in ("tobinary", "todecimal"):
            require(work.take(f"{name} = (.*)") == (written,), f"{name} is {written}")
        else:
            stated, value = work.take(rf"{name} = {FIXED} \({INTEGER}\)")
            require(stated == written and int(value) == operand, f"{name} is {written} ({operand})")


def check_trace(work: Lines, problem: Problem) -> None:
    a, b = problem.written[0], problem.written[-1]
    operation = problem.operation
    width = max(len(a), len(b))
    if operation in ("add", "increment"):
        digits, carry = columns(work, bits(a), bits(b) if operation == "add" else 1, width, 0)
        require(digits + (carry << width) == problem.value, "columns give another result")
    elif operation in ("subtract", "decrement"):
        digits = borrowing_columns(work, bits(a), bits(b) if operation == "subtract" else 1, width)
        require(digits == problem.value, "columns give another result")
    elif operation == "multiply":
        require(products(work, b, bits(a), NUMERAL, bits) == problem.value, "products give another result")
    elif operation == "todecimal":
        require(products(work, a, 1, DECIMAL, int) == problem.value, "places give another result")
    elif operation == "multiply_signed":
        check_signed_multiplication(work, problem)
    elif operation in SIGNED:
        check_signed_columns(work, problem)
    elif operation in (*COMPARISONS, "minimum", "maximum"):
        check_comparison(work, bits(a), bits(b), width)
    elif operation == "multiply_by_2":
        require(work.take(f"{FIXED} shift left = {FIXED}") == (a, a + "⓪"), "not shifted left")
    elif operation == "divide_by_2":
        moved = work.take(f"{FIXED} shift right = {NUMERAL} remainder {BIT}")
        require(moved == (a, a[:-1] or "⓪", a[-1]), "not shifted right")
    else:
        check_divisions(work, problem.operands[0])


def columns(work: Lines, a: int, b: int, width: int, carry: int) -> tuple[int, int]:
    """The digits that `width` columns of addition give, and the last carry."""
    digits = 0
    for place in range(width):
        position, *found = work.take(rf"position {DECIMAL}: {BIT} \+ {BIT} \+ {BIT} = {BIT} carry {BIT}")
        x, y, carried, digit, next_carry = map(bits, found)
        require(int(position) == place, f"position {position} where {place} belongs")
        require((x, y, carried) == (a >> place & 1, b >> place & 1, carry), f"position {place}: wrong digits")
        require(x + y + carried == digit + 2 * next_carry, f"position {place} is false")
        digits, carry = digits + (digit << place), next_carry
    return digits, carry


def borrowing_columns(work: Lines, a: int, b: int, width: int) -> int:
    digits = borrow = 0
    for place in range(width):
        position, *found = work.take(rf"position {DECIMAL}: {BIT} - {BIT} - {BIT} = {BIT} borrow {BIT}")
        x, y, borrowed, digit, next_borrow = map(bits, found)
        require(int(position) == place, f"position {position} where {place} belongs")
        require((x, y, borrowed) == (a >> place & 1, b >> place & 1, borrow), f"position {place}: wrong digits")
        require(x - y - borrowed == digit - 2 * next_borrow, f"position {place} is false")
        digits, borrow = digits + (digit << place), next_borrow
    require(borrow == 0, "a borrow is left")
    return digits


def products(work: Lines, digits: str, factor: int, form: str, read: Callable[[str], int]) -> int:
    total = 0
    for place, expected in enumerate(reversed(digits)):
        position, digit, *found = work.take(rf"position {DECIMAL}: {BIT} × {form} = {form} sum {form}")
        shifted, product, sum_so_far = map(read, found)
        require(int(position) == place, f"position {position} where {place} belongs")
        require(digit == expected, f"position {place}: wrong digits")
        require(shifted == factor * 2**place, f"position {place}: wrongly shifted")
        require(product == bits(digit) * shifted, f"position {place}: wrong product")
        total += product
        require(sum_so_far == total, f"position {place}: wrong sum")
    return total


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
    digits, carry = columns(work, addends[0], addends[1], width, addends[2])
    require(bits(work.take(f"drop carry {BIT}")[0]) == carry, "another carry was dropped")
    require((digits - problem.value) % 2**width == 0, "columns give another result")  # type: ignore[operator]


def check_extension(work: Lines, name: str, value: int, width: int) -> None:
    (numeral,) = work.take(f"extend {name} = {FIXED}")
    require(len(numeral) == width and twos_complement(numeral) == value, f"extend {name} is false")


def check_negation(work: Lines, name: str, value: int, width: int) -> int:
    """`-name = inverted + ①`: gives the inverted number."""
    (inverse,) = work.take(rf"-{name} = {FIXED} \+ ①")
    require(len(inverse) == width and twos_complement(inverse) + 1 == -value, f"-{name} is false")
    return twos_complement(inverse)


def check_signed_multiplication(work: Lines, problem: Problem) -> None:
    width = len(problem.written[0])
    magnitudes = []
    for name, operand in zip("ab", problem.operands, strict=True):
        if operand < 0:
            check_negation(work, name, operand, width)
        (magnitude,) = work.take(rf"\|{name}\| = {NUMERAL}")
        require(bits(magnitude) == abs(operand), f"|{name}| is false")
        magnitudes.append(magnitude)
    total = products(work, magnitudes[1], bits(magnitudes[0]), NUMERAL, bits)
    check_extension(work, "sum", total, 2 * width)
    if total != problem.value:
        require(
            check_negation(work, "sum", total, 2 * width) + 1 == problem.value,
            "the sum gives another result",
        )


def check_comparison(work: Lines, a: int, b: int, width: int) -> None:
    for place in reversed(range(width)):
        position, left, relation, right = work.take(f"position {DECIMAL}: {BIT} ([<=>]) {BIT}")
        x, y = bits(left), bits(right)
        require(int(position) == place, f"position {position} where {place} belongs")
        require((x, y) == (a >> place & 1, b >> place & 1), f"position {place}: wrong digits")
        require({"<": x < y, "=": x == y, ">": x > y}[relation], f"position {place} is false")
        if x != y:
            return


def check_divisions(work: Lines, number: int) -> None:
    place = 0
    while True:
        position, dividend, quotient, bit = work.take(rf"position {DECIMAL}: {DECIMAL} = 2 × {DECIMAL} \+ {BIT}")
        require(int(position) == place, f"position {position} where {place} belongs")
        require(int(dividend) == number, f"position {place}: not the number to divide")
        require(int(dividend) == 2 * int(quotient) + bits(bit), f"position {place} is false")
        number, place = int(quotient), place + 1
        if number == 0:
            return
