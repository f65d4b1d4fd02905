"""The checker of wide items: it accepts true answers written by hand and refuses every false line put into them."""

import pytest

from tests.guild.trainers.bin.equation_checker import FalseLine
from tests.guild.trainers.bin.wide_checker import check

KEY = "🌑 = ⓪\n🌕 = ①\njoin = add\n"

# A prompt, an answer, then for some of its lines what may not stand there instead.
CASES: list[tuple[str, str, dict[str, list[str]]]] = [
    (
        f"{KEY}Compute: join(🌕🌑, 🌕)",
        "join(🌕🌑, 🌕) = 🌕🌕",
        {
            "join(🌕🌑, 🌕) = 🌕🌕": [
                "join(🌕🌑, 🌕) = 🌕🌑",
                "join(🌑🌕, 🌑) = 🌑🌑",
                "join(🌕🌑, 🌕) = ①①",
                "add(🌕🌑, 🌕) = 🌕🌕",
                "add(①⓪, ①) = ①①",
                "plus(🌕🌑, 🌕) = 🌕🌕",
            ]
        },
    ),
    (
        "🌑 = ⓪\n🌕 = ①\n➖ = subtract\n✖️ = multiply\nCompute [verify]: ➖(🌕🌕🌕, ✖️(🌕🌑, 🌕🌕))",
        "➖(🌕🌕🌕, ✖️(🌕🌑, 🌕🌕)) = 🌕\nVerification: 7 - (2 × 3) = 1",
        {
            "➖(🌕🌕🌕, ✖️(🌕🌑, 🌕🌕)) = 🌕": ["➖(🌕🌕🌕, ✖️(🌕🌑, 🌕🌕)) = 🌑", "➖(🌕🌕🌕, 🌕🌕🌑) = 🌕"],
            "Verification: 7 - (2 × 3) = 1": [
                "Verification: 7 - (2 × 3) = 2",
                "Verification: 7 - (3 × 2) = 1",
                "Verification: 7 - 6 = 1",
                "Verification: 7 → 6 = 1",
                "Verification: (7 - 2) × 3 = 15",
                "Verification: 7 - 2 × 3 = 1",
                "Verification: 7 - (2 × 3 = 1",
            ],
        },
    ),
    (
        "Compute [verify]: subtract_signed(⓪⓪①, negate(①⓪))",
        "subtract_signed(⓪⓪①, negate(①⓪)) = ①①①①\nVerification: 1 - (-(-2)) = -1",
        {
            "subtract_signed(⓪⓪①, negate(①⓪)) = ①①①①": [
                "subtract_signed(⓪⓪①, negate(①⓪)) = ①①①",
                "subtract_signed(⓪⓪①, negate(①⓪)) = ⓪⓪①①",
            ],
            "Verification: 1 - (-(-2)) = -1": ["Verification: 1 - (-2) = 3", "Verification: 1 - (-(-2)) = 1"],
        },
    ),
    (
        "Compute [show-work]: lessthan(①①, maximum(increment(①⓪), ①))",
        "2 + 1 = 3\nmax(3, 1) = 3\n3 < 3 is False\nlessthan(①①, maximum(increment(①⓪), ①)) = False",
        {
            "2 + 1 = 3": ["1 + 2 = 3", "2 + 1 = 2", "Verification: 2 + 1 = 3"],
            "max(3, 1) = 3": ["max(3, 1) = 1", "min(3, 1) = 1"],
            "3 < 3 is False": ["3 < 3 is True", "3 == 3 is True"],
        },
    ),
    (
        "Compute [trace]: equals(decrement(multiply_by_2(①⓪)), ①①)",
        "a = multiply_by_2(①⓪) = ①⓪⓪\nb = decrement(a) = ①①\nresult = equals(b, ①①) = True",
        {
            "a = multiply_by_2(①⓪) = ①⓪⓪": ["a = multiply_by_2(①⓪) = ①⓪①", "b = multiply_by_2(①⓪) = ①⓪⓪"],
            "b = decrement(a) = ①①": ["b = decrement(①⓪⓪) = ①①", "b = decrement(a) = ①⓪", "b = increment(a) = ①⓪①"],
            "result = equals(b, ①①) = True": [
                "result = equals(b, ①①) = False",
                "result = equals(①①, b) = True",
                "result = True",
                "c = equals(b, ①①) = True",
            ],
        },
    ),
    (
        "Compute [trace]: add(①①⓪⓪⓪①①①①, ①)",
        "position 0: ①①①① + ⓪⓪⓪① + ⓪ = ⓪⓪⓪⓪ carry ①\nposition 4: ①⓪⓪⓪ + ⓪⓪⓪⓪ + ① = ①⓪⓪① carry ⓪\n"
        "position 8: ① + ⓪ + ⓪ = ① carry ⓪\nresult = ①①⓪⓪①⓪⓪⓪⓪",
        {
            "position 0: ①①①① + ⓪⓪⓪① + ⓪ = ⓪⓪⓪⓪ carry ①": [
                "position 0: ①①①① + ⓪⓪⓪① + ⓪ = ⓪⓪⓪① carry ①",
                "position 0: ①①①① + ⓪⓪⓪① + ⓪ = ⓪⓪⓪⓪ carry ⓪",
                "position 0: ①①①① + ① + ⓪ = ⓪⓪⓪⓪ carry ①",
                "position 0: ①①①⓪ + ⓪⓪⓪① + ⓪ = ①①①① carry ⓪",
            ],
            "position 8: ① + ⓪ + ⓪ = ① carry ⓪": ["position 8: ⓪① + ⓪⓪ + ⓪ = ⓪① carry ⓪"],
            "result = ①①⓪⓪①⓪⓪⓪⓪": ["result = ①①⓪⓪①⓪⓪⓪①", "add(①①⓪⓪⓪①①①①, ①) = ①①⓪⓪①⓪⓪⓪⓪"],
        },
    ),
    (
        "Compute [trace]: decrement(①⓪⓪⓪⓪⓪⓪⓪⓪)",
        "position 0: ⓪⓪⓪⓪ - ⓪⓪⓪① - ⓪ = ①①①① borrow ①\nposition 4: ⓪⓪⓪⓪ - ⓪⓪⓪⓪ - ① = ①①①① borrow ①\n"
        "position 8: ① - ⓪ - ① = ⓪ borrow ⓪\nresult = ①①①①①①①①",
        {
            "position 4: ⓪⓪⓪⓪ - ⓪⓪⓪⓪ - ① = ①①①① borrow ①": [
                "position 4: ⓪⓪⓪⓪ - ⓪⓪⓪⓪ - ⓪ = ⓪⓪⓪⓪ borrow ⓪",
                "position 4: ⓪⓪⓪⓪ - ⓪⓪⓪⓪ - ① = ①①①① borrow ⓪",
            ],
        },
    ),
    (
        "Compute [trace]: multiply(①⓪⓪⓪⓪①①①①, ①①)",
        "position 0: ①①①① × ①① + ⓪ = ①①⓪① carry ①⓪\nposition 4: ⓪⓪⓪⓪ × ①① + ①⓪ = ⓪⓪①⓪ carry ⓪\n"
        "position 8: ① × ①① + ⓪ = ① carry ①\nresult = ①①⓪⓪①⓪①①⓪①",
        {
            "position 0: ①①①① × ①① + ⓪ = ①①⓪① carry ①⓪": [
                "position 0: ①①①① × ①① + ⓪ = ①①⓪① carry ①①",
                "position 0: ①①①① × ①① + ⓪ = ①①⓪⓪ carry ①⓪",
                "position 0: ①①①① × ①⓪ + ⓪ = ①①①⓪ carry ①",
            ],
            "position 8: ① × ①① + ⓪ = ① carry ①": ["position 8: ① × ①① + ① = ⓪ carry ①⓪"],
        },
    ),
    (
        "Compute [trace]: multiply_signed(①①①①①①①⓪⓪, ⓪⓪⓪⓪⓪⓪⓪①①)",
        "|a| = ①⓪⓪\n|b| = ①①\nposition 0: ①⓪⓪ × ①① + ⓪ = ①⓪⓪ carry ①\nsign - × + = -\nresult = ①①①①①①①①①①①①①①⓪①⓪⓪",
        {
            "|a| = ①⓪⓪": ["|a| = ①⓪①", "|a| = ⓪①⓪⓪"],
            "sign - × + = -": ["sign - × + = +", "sign + × - = -", "sign - × - = +"],
            "result = ①①①①①①①①①①①①①①⓪①⓪⓪": ["result = ⓪⓪⓪⓪⓪⓪⓪⓪⓪⓪⓪⓪⓪⓪①①⓪⓪", "result = ①⓪①⓪⓪"],
        },
    ),
    (
        "Compute [trace]: subtract_signed(⓪⓪⓪⓪⓪⓪⓪⓪①, ①①①①①①①①①)",
        "extend a = ⓪⓪⓪⓪⓪⓪⓪⓪⓪①\nextend b = ①①①①①①①①①①\n-b = ⓪⓪⓪⓪⓪⓪⓪⓪⓪⓪ + ①\n"
        "position 0: ⓪⓪⓪① + ⓪⓪⓪⓪ + ① = ⓪⓪①⓪ carry ⓪\nposition 4: ⓪⓪⓪⓪ + ⓪⓪⓪⓪ + ⓪ = ⓪⓪⓪⓪ carry ⓪\n"
        "position 8: ⓪⓪ + ⓪⓪ + ⓪ = ⓪⓪ carry ⓪\ndrop carry ⓪\nresult = ⓪⓪⓪⓪⓪⓪⓪⓪①⓪",
        {
            "extend b = ①①①①①①①①①①": ["extend b = ⓪①①①①①①①①①"],
            "-b = ⓪⓪⓪⓪⓪⓪⓪⓪⓪⓪ + ①": ["-b = ⓪⓪⓪⓪⓪⓪⓪⓪⓪① + ①"],
            "position 0: ⓪⓪⓪① + ⓪⓪⓪⓪ + ① = ⓪⓪①⓪ carry ⓪": ["position 0: ⓪⓪⓪① + ⓪⓪⓪⓪ + ⓪ = ⓪⓪⓪① carry ⓪"],
            "drop carry ⓪": ["drop carry ①"],
        },
    ),
    (
        "Compute [trace]: lessthan(①⓪⓪⓪⓪⓪⓪⓪⓪, ①⓪⓪①⓪⓪⓪⓪⓪)",
        "position 8: ① = ①\nposition 4: ⓪⓪⓪⓪ < ⓪⓪①⓪\nresult = True",
        {
            "position 4: ⓪⓪⓪⓪ < ⓪⓪①⓪": [
                "position 4: ⓪⓪⓪⓪ > ⓪⓪①⓪",
                "position 4: ⓪⓪⓪⓪ < ⓪⓪①⓪\nposition 0: ⓪⓪⓪⓪ = ⓪⓪⓪⓪",
            ],
            "result = True": ["result = False", "result = ①"],
        },
    ),
    (
        "Compute [trace]: todecimal(①⓪⓪⓪①⓪⓪①①)",
        "position 0: ⓪⓪①① × 1 = 3 sum 3\nposition 4: ⓪⓪⓪① × 16 = 16 sum 19\nposition 8: ① × 256 = 256 sum 275\n"
        "result = 275",
        {
            "position 4: ⓪⓪⓪① × 16 = 16 sum 19": [
                "position 4: ⓪⓪⓪① × 16 = 16 sum 16",
                "position 4: ⓪⓪⓪① × 8 = 8 sum 11",
                "position 4: ⓪⓪①① × 16 = 48 sum 51",
            ],
            "result = 275": ["result = 276"],
        },
    ),
    (
        "Compute [trace]: tobinary(275)",
        "position 0: 275 = 16 × 17 + ⓪⓪①①\nposition 4: 17 = 16 × 1 + ⓪⓪⓪①\nposition 8: 1 = 16 × 0 + ⓪⓪⓪①\n"
        "result = ①⓪⓪⓪①⓪⓪①①",
        {
            "position 4: 17 = 16 × 1 + ⓪⓪⓪①": ["position 4: 17 = 16 × 1 + ①", "position 4: 18 = 16 × 1 + ⓪⓪①⓪"],
            "position 0: 275 = 16 × 17 + ⓪⓪①①": ["position 0: 275 = 16 × 16 + ①①①①"],
        },
    ),
    (
        "Find the wrong digit: add(①⓪, ①) = ⓪①",
        "position 1\nadd(①⓪, ①) = ①①",
        {
            "position 1": ["position 0", "position 2"],
            "add(①⓪, ①) = ①①": ["add(①⓪, ①) = ⓪①", "add(①, ①⓪) = ①①"],
        },
    ),
    (
        "Fill in [verify]: multiply(①⓪, ①①) = ①_⓪",
        "multiply(①⓪, ①①) = ①①⓪\nVerification: 2 × 3 = 6",
        {
            "multiply(①⓪, ①①) = ①①⓪": ["multiply(①⓪, ①①) = ①⓪⓪", "multiply(①①, ①⓪) = ①①⓪", "add(①⓪, ①) = ①①"],
            "Verification: 2 × 3 = 6": ["Verification: 2 × 3 = 5"],
        },
    ),
    ("True or False: negate(①⓪) = ⓪①⓪", "True", {"True": ["False", "true", "⓪①⓪"]}),
    ("True or False: add(①⓪, ①) = ⓪①", "False", {"False": ["True", ""]}),
    (
        "Compare: add(①⓪, ①) ? ①⓪",
        "add(①⓪, ①) > ①⓪",
        {"add(①⓪, ①) > ①⓪": ["add(①⓪, ①) < ①⓪", "add(①⓪, ①) = ①⓪", "add(①⓪, ①) > ①", "①① > ①⓪"]},
    ),
    (
        "Describe: increment(①①)",
        "increment(①①) = ①⓪⓪\neven, length 3, ones 1",
        {"even, length 3, ones 1": ["odd, length 3, ones 1", "even, length 2, ones 1", "even, length 3, ones 2"]},
    ),
    (
        "Does it fit: add(①⓪, ①) in 2 digits",
        "add(①⓪, ①) = ①①\nfits",
        {"fits": ["overflow"], "add(①⓪, ①) = ①①": ["add(①⓪, ①) = ①①⓪"]},
    ),
    (
        "Does it fit: add_signed(⓪①, ⓪①) in 2 digits",
        "add_signed(⓪①, ⓪①) = ⓪①⓪\noverflow",
        {"overflow": ["fits"], "add_signed(⓪①, ⓪①) = ⓪①⓪": ["add_signed(⓪①, ⓪①) = ①⓪"]},
    ),
    (
        "Solve: subtract(?, ①) = ①⓪",
        "subtract(①①, ①) = ①⓪",
        {"subtract(①①, ①) = ①⓪": ["subtract(①⓪⓪, ①⓪) = ①⓪", "subtract(①①, ①) = ①①", "①①"]},
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


@pytest.mark.parametrize(
    "key",
    [
        "🌕 = ①\n🌑 = ⓪\njoin = add\n",
        "🌑 = ⓪\njoin = add\n",
        "🌑 = ⓪\n🌑 = ①\njoin = add\n",
        "🌑 = ⓪\n🌕 = ①\n",
        "🌑 = ⓪\n🌕 = ①\njoin = plus\n",
        "🌑 = ⓪\n🌕 = ①\njoin = subtract\n",
        "🌑 = ⓪\n🌕 = ①\njoin = add\ntake = subtract\n",
    ],
)
def test_a_key_that_does_not_tell_what_is_used_is_refused(key: str) -> None:
    with pytest.raises(FalseLine):
        check(f"{key}Compute: join(🌕🌑, 🌕)", "join(🌕🌑, 🌕) = 🌕🌕")


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Compute: add(add(①, ①), ①)", "add(add(①, ①), ①) = ①①"),
        (
            "Compute [verify]: add(add(①, ①), add(①, ①))",
            "add(add(①, ①), add(①, ①)) = ①⓪⓪\nVerification: (1 + 1) + (1 + 1) = 4",
        ),
        ("Compute [verify]: add(equals(①, ①), ①)", "add(equals(①, ①), ①) = ①⓪\nVerification: (1 == 1) + 1 = 2"),
        ("Compute [verify]: negate(increment(①))", "negate(increment(①)) = ①①⓪\nVerification: -(1 + 1) = -2"),
        (
            "Compute [verify]: add_signed(negate(①⓪), ①⓪)",
            "add_signed(negate(①⓪), ①⓪) = ⓪⓪⓪⓪\nVerification: (-(-2)) + (-2) = 0",
        ),
        (
            "Compute [verify]: subtract(①, increment(①))",
            "subtract(①, increment(①)) = ⓪\nVerification: 1 - (1 + 1) = -1",
        ),
        ("Solve: minimum(①, ?) = ①", "minimum(①, ①⓪) = ①"),
        ("Solve: multiply(⓪, ?) = ⓪", "multiply(⓪, ①) = ⓪"),
        ("Describe [trace]: increment(①①)", "increment(①①) = ①⓪⓪\neven, length 3, ones 1"),
        ("Guess: add(①, ①)", "add(①, ①) = ①⓪"),
        ("Fill in: divide_by_2(①①) = ① remainder _", "divide_by_2(①①) = ① remainder ①"),
    ],
)
def test_items_outside_the_grammar_are_refused(prompt: str, answer: str) -> None:
    with pytest.raises(FalseLine):
        check(prompt, answer)


def test_the_calls_that_an_item_tells_are_named_nested_and_by_themselves() -> None:
    told = check(
        "Compute [trace]: add(minimum(increment(①⓪), ①), ①①)",
        "a = increment(①⓪) = ①①\nb = minimum(a, ①) = ①\nresult = add(b, ①①) = ①⓪⓪",
    )
    assert sorted(told) == sorted(
        [
            "increment(①⓪)",
            "minimum(increment(①⓪), ①)",
            "minimum(①①, ①)",
            "add(minimum(increment(①⓪), ①), ①①)",
            "add(①, ①①)",
        ]
    )
    assert check("Compute: todecimal(①⓪)", "todecimal(①⓪) = 2") == ["todecimal(①⓪)"]
    assert check("Solve: add(?, ①) = ①①", "add(①⓪, ①) = ①①") == ["add(①⓪, ①)"]
