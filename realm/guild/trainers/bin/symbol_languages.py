"""Symbol languages: two signs for the digits and an alias for each operation, stated in a key above the prompt."""

import re

from realm.guild.trainers.bin.numerals import ONE, ZERO
from realm.guild.trainers.bin.operands import Draw
from realm.guild.trainers.bin.operations import OPERATIONS

PAIRS = (
    *(("☀️", "❄️"), ("☀️", "🌙"), ("⚪", "⚫"), ("⬛", "⬜"), ("⭐", "🌟"), ("🌑", "🌕"), ("🌲", "🌴"), ("🌸", "🌺")),
    *(("🍊", "🍎"), ("🎵", "🎶"), ("🐇", "🐢"), ("🐱", "🐶"), ("🐻", "🐼"), ("💛", "💜"), ("💧", "🔥"), ("🔴", "🔵")),
    *(("🔶", "🔷"), ("🔺", "🔻"), ("🟢", "🟣"), ("🥵", "🥶")),
)
ALIASES = {  # no alias is a sign of PAIRS, an operation or a word of an answer, and none stands for two operations
    "add": ("combine", "plus", "🔗"),
    "subtract": ("take", "minus", "➖"),
    "multiply": ("times", "scale", "✖️"),
    "increment": ("next", "grow", "⬆️"),
    "decrement": ("prev", "shrink", "⬇️"),
    "add_signed": ("merge", "join", "⚡"),
    "subtract_signed": ("remove", "reduce", "✂️"),
    "multiply_signed": ("product", "amplify", "🌀"),
    "negate": ("flip", "oppose", "🔄"),
    "absolute_value": ("size", "magnitude", "📏"),
    "equals": ("same", "match", "🤝"),
    "lessthan": ("below", "under", "📉"),
    "greaterthan": ("above", "over", "📈"),
    "minimum": ("least", "lower", "🐜"),
    "maximum": ("most", "upper", "🐘"),
    "multiply_by_2": ("double", "twice", "🪞"),
    "divide_by_2": ("halve", "split", "🍰"),
    "tobinary": ("binary", "encode", "💡"),
    "todecimal": ("decimal", "decode", "🔟"),
}
_CALLED = re.compile(rf"\b(?:{'|'.join(OPERATIONS)})(?=\()")


def in_symbols(prompt: str, answer: str, draw: Draw) -> tuple[str, str]:
    """Both in a language of their own, its key before the prompt. The operations of the answer are the prompt's."""
    pair = PAIRS[draw(len(PAIRS))]
    zero, one = pair if draw(2) else pair[::-1]
    aliases = {name: ALIASES[name][draw(len(ALIASES[name]))] for name in dict.fromkeys(_CALLED.findall(prompt))}

    def spoken(text: str) -> str:
        return _CALLED.sub(lambda name: aliases[name[0]], text).replace(ZERO, zero).replace(ONE, one)

    key = [f"{zero} = {ZERO}", f"{one} = {ONE}", *(f"{alias} = {name}" for name, alias in aliases.items())]
    return "\n".join((*key, spoken(prompt))), spoken(answer)
