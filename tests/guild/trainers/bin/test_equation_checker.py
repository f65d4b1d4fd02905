"""The checker itself: it accepts true answers written by hand and refuses every false line put into them."""

import pytest

from tests.guild.trainers.bin.equation_checker import FalseLine, check

# An answer, then for some of its lines what may not stand there instead.
CASES: list[tuple[str, str, dict[str, list[str]]]] = [
    (
        "Compute: add(①⓪, ①)",
        "add(①⓪, ①) = ①①",
        {
            "add(①⓪, ①) = ①①": [
                "add(①⓪, ①) = ①⓪",
                "add(①⓪, ①) = ⓪①①",
                "add(①⓪, ①) = 3",
                "add(①, ①⓪) = ①①",
                "add(①⓪, ①)= ①①",
                "①①",
                "",
            ]
        },
    ),
    (
        "Compute: add_signed(①⓪, ①①)",
        "add_signed(①⓪, ①①) = ①⓪①",
        {"add_signed(①⓪, ①①) = ①⓪①": ["add_signed(①⓪, ①①) = ⓪①", "add_signed(①⓪, ①①) = ①①⓪①"]},
    ),
    (
        "Compute: multiply_signed(①⓪, ①①)",
        "multiply_signed(①⓪, ①①) = ⓪⓪①⓪",
        {
            "multiply_signed(①⓪, ①①) = ⓪⓪①⓪": [
                "multiply_signed(①⓪, ①①) = ①①①⓪",
                "multiply_signed(①⓪, ①①) = ⓪①⓪",
            ]
        },
    ),
    (
        "Compute: divide_by_2(①①)",
        "divide_by_2(①①) = ① remainder ①",
        {
            "divide_by_2(①①) = ① remainder ①": [
                "divide_by_2(①①) = ① remainder ⓪",
                "divide_by_2(①①) = ⓪ remainder ①",
                "divide_by_2(①①) = ①",
            ]
        },
    ),
    (
        "Compute: lessthan(①⓪, ①)",
        "lessthan(①⓪, ①) = False",
        {"lessthan(①⓪, ①) = False": ["lessthan(①⓪, ①) = True", "lessthan(①⓪, ①) = false"]},
    ),
    (
        "Compute: todecimal(①①)",
        "todecimal(①①) = 3",
        {"todecimal(①①) = 3": ["todecimal(①①) = 03", "todecimal(①①) = 2", "todecimal(①①) = ①①"]},
    ),
    (
        "Compute [verify]: add(①⓪, ①)",
        "add(①⓪, ①) = ①①\nVerification: 2 + 1 = 3",
        {
            "Verification: 2 + 1 = 3": [
                "Verification: 2 + 1 = 4",
                "Verification: 1 + 2 = 3",
                "Verification: 1 + 1 = 2",
                "Verification: 2 + 1 = 3 ✓",
                "2 + 1 = 3",
            ]
        },
    ),
    (
        "Compute [verify]: subtract(①⓪, ①)",
        "subtract(①⓪, ①) = ①\nVerification: 2 - 1 = 1",
        {"Verification: 2 - 1 = 1": ["Verification: 2 - 1 = 0", "Verification: 3 - 2 = 1"]},
    ),
    (
        "Compute [verify]: multiply(①⓪, ①①)",
        "multiply(①⓪, ①①) = ①①⓪\nVerification: 2 × 3 = 6",
        {"Verification: 2 × 3 = 6": ["Verification: 2 × 3 = 5", "Verification: 2 * 3 = 6"]},
    ),
    (
        "Compute [verify]: increment(①①)",
        "increment(①①) = ①⓪⓪\nVerification: 3 + 1 = 4",
        {"Verification: 3 + 1 = 4": ["Verification: 3 + 1 = 5", "Verification: 2 + 1 = 3"]},
    ),
    (
        "Compute [verify]: decrement(①⓪)",
        "decrement(①⓪) = ①\nVerification: 2 - 1 = 1",
        {"Verification: 2 - 1 = 1": ["Verification: 2 - 1 = 2", "Verification: 3 - 1 = 2"]},
    ),
    (
        "Compute [verify]: add_signed(①⓪, ⓪①)",
        "add_signed(①⓪, ⓪①) = ①①①\nVerification: (-2) + 1 = -1",
        {
            "Verification: (-2) + 1 = -1": [
                "Verification: -2 + 1 = -1",
                "Verification: (-2) + 1 = (-1)",
                "Verification: (-2) + (1) = -1",
                "Verification: 2 + 1 = 3",
            ]
        },
    ),
    (
        "Compute [verify]: subtract_signed(⓪①, ①⓪)",
        "subtract_signed(⓪①, ①⓪) = ⓪①①\nVerification: 1 - (-2) = 3",
        {"Verification: 1 - (-2) = 3": ["Verification: 1 - (-2) = -1", "Verification: 1 - -2 = 3"]},
    ),
    (
        "Compute [verify]: multiply_signed(①⓪, ①①)",
        "multiply_signed(①⓪, ①①) = ⓪⓪①⓪\nVerification: (-2) × (-1) = 2",
        {"Verification: (-2) × (-1) = 2": ["Verification: (-2) × (-1) = -2", "Verification: 2 × 1 = 2"]},
    ),
    (
        "Compute [verify]: negate(①⓪)",
        "negate(①⓪) = ⓪①⓪\nVerification: -(-2) = 2",
        {"Verification: -(-2) = 2": ["Verification: -(-2) = -2", "Verification: -(2) = -2"]},
    ),
    (
        "Compute [verify]: absolute_value(①⓪)",
        "absolute_value(①⓪) = ⓪①⓪\nVerification: |-2| = 2",
        {"Verification: |-2| = 2": ["Verification: |-2| = -2", "Verification: |2| = 2"]},
    ),
    (
        "Compute [verify]: equals(①⓪, ①)",
        "equals(①⓪, ①) = False\nVerification: 2 == 1 is False",
        {"Verification: 2 == 1 is False": ["Verification: 2 == 1 is True", "Verification: 2 = 1 is False"]},
    ),
    (
        "Compute [verify]: lessthan(①⓪, ①)",
        "lessthan(①⓪, ①) = False\nVerification: 2 < 1 is False",
        {"Verification: 2 < 1 is False": ["Verification: 2 < 1 is True", "Verification: 1 < 2 is True"]},
    ),
    (
        "Compute [verify]: greaterthan(①⓪, ①)",
        "greaterthan(①⓪, ①) = True\nVerification: 2 > 1 is True",
        {"Verification: 2 > 1 is True": ["Verification: 2 > 1 is False", "Verification: 2 < 1 is False"]},
    ),
    (
        "Compute [verify]: minimum(①⓪, ①)",
        "minimum(①⓪, ①) = ①\nVerification: min(2, 1) = 1",
        {"Verification: min(2, 1) = 1": ["Verification: min(2, 1) = 2", "Verification: max(2, 1) = 2"]},
    ),
    (
        "Compute [verify]: maximum(①⓪, ①)",
        "maximum(①⓪, ①) = ①⓪\nVerification: max(2, 1) = 2",
        {"Verification: max(2, 1) = 2": ["Verification: max(2, 1) = 1", "Verification: max(1, 2) = 2"]},
    ),
    (
        "Compute [verify]: multiply_by_2(①①)",
        "multiply_by_2(①①) = ①①⓪\nVerification: 2 × 3 = 6",
        {"Verification: 2 × 3 = 6": ["Verification: 2 × 3 = 5", "Verification: 2 × 2 = 4"]},
    ),
    (
        "Compute [verify]: divide_by_2(①①)",
        "divide_by_2(①①) = ① remainder ①\nVerification: 3 = 2 × 1 + 1",
        {
            "Verification: 3 = 2 × 1 + 1": [
                "Verification: 3 = 2 × 1 + 0",
                "Verification: 2 = 2 × 1 + 0",
                "Verification: 3 = 2 × 0 + 3",
            ]
        },
    ),
    (
        "Compute [verify]: tobinary(6)",
        "tobinary(6) = ①①⓪\nVerification: 4 + 2 = 6",
        {
            "Verification: 4 + 2 = 6": [
                "Verification: 4 + 2 = 7",
                "Verification: 4 + 1 = 5",
                "Verification: 2 + 4 = 6",
                "Verification: 3 + 2 + 1 = 6",
                "Verification: 4 + 2 + 0 = 6",
            ]
        },
    ),
    (
        "Compute [verify]: todecimal(⓪)",
        "todecimal(⓪) = 0\nVerification: 0 = 0",
        {"Verification: 0 = 0": ["Verification: 1 = 1", "Verification: 0 + 0 = 0"]},
    ),
    (
        "Compute [show-work]: add(①⓪, ①)",
        "a = ①⓪ (2)\nb = ① (1)\n2 + 1 = 3\nadd(①⓪, ①) = ①①",
        {
            "a = ①⓪ (2)": ["a = ①⓪ (3)", "a = ①① (3)", "a = ①⓪", "b = ①⓪ (2)"],
            "b = ① (1)": ["b = ① (2)", "b = ⓪ (0)"],
            "2 + 1 = 3": ["2 + 1 = 4", "Verification: 2 + 1 = 3", "1 + 2 = 3"],
            "add(①⓪, ①) = ①①": ["add(①⓪, ①) = ①⓪⓪"],
        },
    ),
    (
        "Compute [show-work]: negate(①⓪)",
        "a = ①⓪ (-2)\n-(-2) = 2\nnegate(①⓪) = ⓪①⓪",
        {"a = ①⓪ (-2)": ["a = ①⓪ (2)"], "-(-2) = 2": ["-(-2) = -2"]},
    ),
    (
        "Compute [show-work]: todecimal(①①)",
        "a = ①①\n2 + 1 = 3\ntodecimal(①①) = 3",
        {"a = ①①": ["a = ①⓪", "a = ①① (3)"], "2 + 1 = 3": ["2 + 1 = 4", "3 = 3"]},
    ),
    (
        "Compute [trace]: add(①①, ①)",
        "a = ①① (3)\nb = ① (1)\nposition 0: ① + ① + ⓪ = ⓪ carry ①\nposition 1: ① + ⓪ + ① = ⓪ carry ①\nadd(①①, ①) = ①⓪⓪",
        {
            "position 0: ① + ① + ⓪ = ⓪ carry ①": [
                "position 0: ① + ① + ⓪ = ⓪ carry ⓪",
                "position 0: ① + ① + ⓪ = ① carry ①",
                "position 0: ① + ⓪ + ⓪ = ① carry ⓪",
                "position 1: ① + ① + ⓪ = ⓪ carry ①",
            ],
            "position 1: ① + ⓪ + ① = ⓪ carry ①": ["position 1: ① + ⓪ + ⓪ = ① carry ⓪"],
        },
    ),
    (
        "Compute [trace]: increment(①⓪)",
        "a = ①⓪ (2)\nposition 0: ⓪ + ① + ⓪ = ① carry ⓪\nposition 1: ① + ⓪ + ⓪ = ① carry ⓪\nincrement(①⓪) = ①①",
        {"position 0: ⓪ + ① + ⓪ = ① carry ⓪": ["position 0: ⓪ + ⓪ + ① = ① carry ⓪"]},
    ),
    (
        "Compute [trace]: subtract(①⓪, ①)",
        "a = ①⓪ (2)\nb = ① (1)\nposition 0: ⓪ - ① - ⓪ = ① borrow ①\nposition 1: ① - ⓪ - ① = ⓪ borrow ⓪\n"
        "subtract(①⓪, ①) = ①",
        {
            "position 0: ⓪ - ① - ⓪ = ① borrow ①": [
                "position 0: ⓪ - ① - ⓪ = ① borrow ⓪",
                "position 0: ⓪ - ① - ⓪ = ⓪ borrow ①",
                "position 0: ① - ① - ⓪ = ⓪ borrow ⓪",
                "position 1: ⓪ - ① - ⓪ = ① borrow ①",
            ],
            "position 1: ① - ⓪ - ① = ⓪ borrow ⓪": ["position 1: ① - ⓪ - ⓪ = ① borrow ⓪"],
        },
    ),
    (
        "Compute [trace]: decrement(①)",
        "a = ① (1)\nposition 0: ① - ① - ⓪ = ⓪ borrow ⓪\ndecrement(①) = ⓪",
        {"position 0: ① - ① - ⓪ = ⓪ borrow ⓪": ["position 0: ① - ⓪ - ① = ⓪ borrow ⓪"]},
    ),
    (
        "Compute [trace]: multiply(①①, ①⓪)",
        "a = ①① (3)\nb = ①⓪ (2)\nposition 0: ⓪ × ①① = ⓪ sum ⓪\nposition 1: ① × ①①⓪ = ①①⓪ sum ①①⓪\n"
        "multiply(①①, ①⓪) = ①①⓪",
        {
            "position 0: ⓪ × ①① = ⓪ sum ⓪": [
                "position 0: ① × ①① = ①① sum ①①",
                "position 0: ⓪ × ①① = ①① sum ①①",
                "position 0: ⓪ × ①①⓪ = ⓪ sum ⓪",
            ],
            "position 1: ① × ①①⓪ = ①①⓪ sum ①①⓪": [
                "position 1: ① × ①①⓪ = ①①⓪ sum ①①①",
                "position 1: ① × ①① = ①① sum ①①",
                "position 2: ① × ①①⓪ = ①①⓪ sum ①①⓪",
            ],
        },
    ),
    (
        "Compute [trace]: add_signed(①⓪, ①①)",
        "a = ①⓪ (-2)\nb = ①① (-1)\nextend a = ①①⓪\nextend b = ①①①\nposition 0: ⓪ + ① + ⓪ = ① carry ⓪\n"
        "position 1: ① + ① + ⓪ = ⓪ carry ①\nposition 2: ① + ① + ① = ① carry ①\ndrop carry ①\n"
        "add_signed(①⓪, ①①) = ①⓪①",
        {
            "extend a = ①①⓪": ["extend a = ⓪①⓪", "extend a = ①①①⓪", "extend b = ①①⓪"],
            "position 2: ① + ① + ① = ① carry ①": ["position 2: ① + ① + ① = ① carry ⓪"],
            "drop carry ①": ["drop carry ⓪"],
        },
    ),
    (
        "Compute [trace]: subtract_signed(⓪①, ①⓪)",
        "a = ⓪① (1)\nb = ①⓪ (-2)\nextend a = ⓪⓪①\nextend b = ①①⓪\n-b = ⓪⓪① + ①\n"
        "position 0: ① + ① + ① = ① carry ①\nposition 1: ⓪ + ⓪ + ① = ① carry ⓪\n"
        "position 2: ⓪ + ⓪ + ⓪ = ⓪ carry ⓪\ndrop carry ⓪\nsubtract_signed(⓪①, ①⓪) = ⓪①①",
        {
            "-b = ⓪⓪① + ①": ["-b = ⓪①⓪ + ①", "-b = ⓪⓪① + ⓪", "-a = ⓪⓪① + ①", "-b = ⓪① + ①"],
            "position 0: ① + ① + ① = ① carry ①": ["position 0: ① + ① + ⓪ = ⓪ carry ①"],
        },
    ),
    (
        "Compute [trace]: negate(⓪①)",
        "a = ⓪① (1)\nextend a = ⓪⓪①\n-a = ①①⓪ + ①\nposition 0: ⓪ + ① + ⓪ = ① carry ⓪\n"
        "position 1: ① + ⓪ + ⓪ = ① carry ⓪\nposition 2: ① + ⓪ + ⓪ = ① carry ⓪\ndrop carry ⓪\n"
        "negate(⓪①) = ①①①",
        {"-a = ①①⓪ + ①": ["-a = ①①① + ①"], "drop carry ⓪": ["drop carry ①", "drop carry"]},
    ),
    (
        "Compute [trace]: absolute_value(⓪①)",
        "a = ⓪① (1)\nextend a = ⓪⓪①\nabsolute_value(⓪①) = ⓪⓪①",
        {"extend a = ⓪⓪①": ["extend a = ①⓪①", "extend a = ⓪⓪①\n-a = ①①⓪ + ①"]},
    ),
    (
        "Compute [trace]: multiply_signed(①⓪, ⓪①)",
        "a = ①⓪ (-2)\nb = ⓪① (1)\n-a = ⓪① + ①\n|a| = ①⓪\n|b| = ①\nposition 0: ① × ①⓪ = ①⓪ sum ①⓪\n"
        "extend sum = ⓪⓪①⓪\n-sum = ①①⓪① + ①\nmultiply_signed(①⓪, ⓪①) = ①①①⓪",
        {
            "-a = ⓪① + ①": ["-a = ⓪⓪ + ①", "-a = ⓪⓪① + ①"],
            "|a| = ①⓪": ["|a| = ①①", "|a| = ⓪①⓪", "|b| = ①⓪"],
            "extend sum = ⓪⓪①⓪": ["extend sum = ⓪①⓪", "extend sum = ⓪⓪①①"],
            "-sum = ①①⓪① + ①": ["-sum = ①①⓪⓪ + ①", "-sum = ①⓪① + ①"],
        },
    ),
    (
        "Compute [trace]: equals(①⓪, ①⓪)",
        "a = ①⓪ (2)\nb = ①⓪ (2)\nposition 1: ① = ①\nposition 0: ⓪ = ⓪\nequals(①⓪, ①⓪) = True",
        {"position 1: ① = ①": ["position 1: ① > ①", "position 1: ⓪ = ⓪"], "position 0: ⓪ = ⓪": ["position 1: ⓪ = ⓪"]},
    ),
    (
        "Compute [trace]: minimum(①⓪, ①)",
        "a = ①⓪ (2)\nb = ① (1)\nposition 1: ① > ⓪\nminimum(①⓪, ①) = ①",
        {
            "position 1: ① > ⓪": [
                "position 1: ① < ⓪",
                "position 1: ⓪ < ①",
                "position 1: ① > ⓪\nposition 0: ⓪ < ①",
            ],
            "minimum(①⓪, ①) = ①": ["minimum(①⓪, ①) = ①⓪"],
        },
    ),
    (
        "Compute [trace]: multiply_by_2(①①)",
        "a = ①① (3)\n①① shift left = ①①⓪\nmultiply_by_2(①①) = ①①⓪",
        {"①① shift left = ①①⓪": ["①① shift left = ①①①", "①⓪ shift left = ①⓪⓪", "①① shift right = ①①⓪"]},
    ),
    (
        "Compute [trace]: divide_by_2(①①⓪)",
        "a = ①①⓪ (6)\n①①⓪ shift right = ①① remainder ⓪\ndivide_by_2(①①⓪) = ①① remainder ⓪",
        {
            "①①⓪ shift right = ①① remainder ⓪": [
                "①①⓪ shift right = ①① remainder ①",
                "①①⓪ shift right = ① remainder ⓪",
            ]
        },
    ),
    (
        "Compute [trace]: tobinary(6)",
        "a = 6\nposition 0: 6 = 2 × 3 + ⓪\nposition 1: 3 = 2 × 1 + ①\nposition 2: 1 = 2 × 0 + ①\ntobinary(6) = ①①⓪",
        {
            "a = 6": ["a = 7", "a = 6 (6)"],
            "position 0: 6 = 2 × 3 + ⓪": ["position 0: 6 = 2 × 2 + ⓪", "position 0: 7 = 2 × 3 + ①"],
            "position 1: 3 = 2 × 1 + ①": ["position 1: 3 = 2 × 1 + 1", "position 2: 3 = 2 × 1 + ①"],
            "position 2: 1 = 2 × 0 + ①": ["position 2: 1 = 2 × 1 + ①"],
        },
    ),
    (
        "Compute [trace]: todecimal(①⓪)",
        "a = ①⓪\nposition 0: ⓪ × 1 = 0 sum 0\nposition 1: ① × 2 = 2 sum 2\ntodecimal(①⓪) = 2",
        {
            "position 0: ⓪ × 1 = 0 sum 0": ["position 0: ① × 1 = 1 sum 1", "position 0: ⓪ × 1 = 1 sum 1"],
            "position 1: ① × 2 = 2 sum 2": ["position 1: ① × 2 = 2 sum 3", "position 1: ① × 4 = 4 sum 4"],
        },
    ),
]

REPLACEMENTS = [
    (prompt, answer, line, false_line)
    for prompt, answer, changes in CASES
    for line, false_lines in changes.items()
    for false_line in false_lines
]


@pytest.mark.parametrize(("prompt", "answer", "_changes"), CASES)
def test_true_answers_are_accepted(prompt: str, answer: str, _changes: object) -> None:
    check(prompt, answer)


@pytest.mark.parametrize(("prompt", "answer", "line", "false_line"), REPLACEMENTS)
def test_false_lines_are_refused(prompt: str, answer: str, line: str, false_line: str) -> None:
    lines = answer.split("\n")
    lines[lines.index(line)] = false_line
    with pytest.raises(FalseLine):
        check(prompt, "\n".join(lines))


@pytest.mark.parametrize(("prompt", "answer", "_changes"), CASES)
def test_missing_repeated_and_foreign_lines_are_refused(prompt: str, answer: str, _changes: object) -> None:
    lines = answer.split("\n")
    for place, line in enumerate(lines):
        before, after = lines[:place], lines[place + 1 :]
        for changed in ([*before, *after], [*before, line, line, *after], [*before, line, "", *after]):
            with pytest.raises(FalseLine):
                check(prompt, "\n".join(changed))


PROMPTS = [
    "compute: add(①⓪, ①)",
    "Compute : add(①⓪, ①)",
    "Compute [verbose]: add(①⓪, ①)",
    "Compute: plus(①⓪, ①)",
    "Compute: add(⓪①⓪, ①)",
    "Compute: add(①⓪,①)",
    "Compute: add(①⓪)",
    "Compute: add(2, 1)",
    "Compute: negate(①⓪, ①)",
    "Compute: add_signed(①⓪, ①)",
    "Compute: subtract(①, ①⓪)",
    "Compute: decrement(⓪)",
    "Compute: tobinary(①)",
    "Compute: tobinary(02)",
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompts_outside_the_grammar_are_refused(prompt: str) -> None:
    problem = prompt.partition(": ")[2]
    for result in ("①①", "⓪①", "①⓪①", "①", "⓪"):
        with pytest.raises(FalseLine):
            check(prompt, f"{problem} = {result}")
