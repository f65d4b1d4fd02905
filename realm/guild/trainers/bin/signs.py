"""The literals that prompts and answers are made of, for a tokenizer that matches the longest first.

Operators carry their spaces: one token instead of three. A bare × would be broken by byte-level decoding.
"""

from realm.guild.trainers.bin.auxiliary import AUXILIARIES
from realm.guild.trainers.bin.bands import SIGNALS
from realm.guild.trainers.bin.numerals import DIGITS
from realm.guild.trainers.bin.operations import OPERATIONS
from realm.guild.trainers.bin.symbol_languages import ALIASES, PAIRS

_OPERATORS = (" = ", " + ", " - ", " × ", " < ", " > ", " == ", ", ", ": ")
_WORDS = (
    *("Compute", "Verification", "True", "False", " is ", "min", "max", " remainder "),
    *("position ", " carry ", " borrow ", " sum ", "sum", "extend ", "drop", " shift left", " shift right"),
)
_WIDE_WORDS = (  # of the levels that have symbol languages
    *("result", "sign ", " in ", " digits", "even", "odd", "length ", "ones ", "overflow", "fits"),
    *(kind.verb for kind in AUXILIARIES),
)
_SYMBOLS = dict.fromkeys(symbol for symbols in (*PAIRS, *ALIASES.values()) for symbol in symbols)

SIGNS: tuple[str, ...] = (
    *(*DIGITS, *OPERATIONS, *filter(None, SIGNALS.values()), *_OPERATORS, *_WORDS),
    *(*_WIDE_WORDS, *_SYMBOLS),
)
