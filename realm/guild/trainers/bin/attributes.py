"""What a level is made of, in a few values for people."""

from realm.guild.trainers.bin.bands import ONE_PLAIN_IN, UNLOCK, deepest, mix, width
from realm.guild.trainers.bin.operations import OPERATIONS
from realm.guild.trainers.bin.problems import space


def attributes(level: int) -> dict[str, str | int]:
    """By name, in the order in which they are shown. Raises ValueError for a level that is not in LEVELS."""
    known = space(level)
    in_symbols = 100 - 100 // ONE_PLAIN_IN if level >= UNLOCK else 0
    return {
        "bits": width(level),
        **{difficulty: f"{share} %" for difficulty, share in mix(level).items()},
        "operations": len(OPERATIONS),
        "calls in a call": deepest(level),
        "in symbols": f"{in_symbols} %",
        "problems": known.size,
        "exam problems": "one in five" if known.split == "hash" else "shared",
    }
