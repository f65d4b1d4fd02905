"""The same picture for a terminal whose encoding has no block characters."""

import unicodedata
from collections.abc import Sequence

from realm.cli.loss_chart import EIGHTHS as CURVE
from realm.cli.loss_chart import HIGHEST
from realm.cli.terminal import EIGHTHS as BAR

SIGNS = {
    **dict(zip(CURVE, " _..--=+#", strict=True)),
    **dict(zip(BAR, " ....===#", strict=True)),
    HIGHEST: "o",
    "─": "-",
    "·": ".",
    "–": "-",
    "…": "~",
    "●": "*",
}


def in_encoding(lines: Sequence[str], encoding: str) -> list[str]:
    """The lines as they are if the encoding has all the signs we draw with, else in ASCII."""
    try:
        "".join(SIGNS).encode(encoding)
    except UnicodeEncodeError:
        return ["".join(map(_ascii, line)) for line in lines]
    return list(lines)


def _ascii(sign: str) -> str:
    if sign.isascii():
        return sign
    category = unicodedata.category(sign)
    return SIGNS.get(sign, "" if category in ("Mn", "Sk") else "*" if category == "So" else "?")
