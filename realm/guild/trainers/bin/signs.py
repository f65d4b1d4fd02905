"""The literals that prompts and answers are made of, for a tokenizer that matches the longest first.

Operators carry their spaces: one token instead of three. A bare × would be broken by byte-level decoding.
"""

from realm.guild.trainers.bin.numerals import DIGITS
from realm.guild.trainers.bin.operations import OPERATIONS
from realm.guild.trainers.bin.problems import SIGNALS

_OPERATORS = (" = ", " + ", " - ", " × ", " < ", " > ", " == ", ", ", ": ")
_WORDS = (
    *("Compute", "Verification", "True", "False", " is ", "min", "max", " remainder "),
    *("position ", " carry ", " borrow ", " sum ", "sum", "extend ", "drop", " shift left", " shift right"),
)

SIGNS: tuple[str, ...] = (*DIGITS, *OPERATIONS, *filter(None, SIGNALS.values()), *_OPERATORS, *_WORDS)
