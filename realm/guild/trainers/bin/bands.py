"""What the bands of levels differ in: the mix of difficulties, and how deep calls are nested."""

from realm.guild.trainers.bin.operands import Draw

LEVELS = range(1, 31)
UNLOCK = 8  # from this level on: symbol languages, chains, auxiliary tasks
ONE_PLAIN_IN = 4  # items from there on: the others are in a symbol language
SIGNALS = {"easy": "", "medium": "[verify]", "hard": "[show-work]", "expert": "[trace]"}
DIFFICULTIES = tuple(SIGNALS)

_MIX = {  # levels -> percent of each difficulty
    range(1, 6): (50, 35, 12, 3),
    range(6, 11): (40, 35, 20, 5),
    range(11, 16): (30, 35, 25, 10),
    range(16, 21): (25, 30, 30, 15),
    range(21, 26): (20, 30, 30, 20),
    range(26, 31): (15, 25, 35, 25),
}
_DEPTHS = {"easy": (1,), "medium": (1, 2), "hard": (1, 2, 3), "expert": (1, 1, 3, 4, 5)}  # each as likely


def width(level: int) -> int:
    """Bits of the widest operand; the last level has a whole machine word."""
    return 32 if level == LEVELS[-1] else level + 1


def mix(level: int) -> dict[str, int]:
    """Percent of each difficulty."""
    shares = next(shares for levels, shares in _MIX.items() if level in levels)
    return dict(zip(DIFFICULTIES, shares, strict=True))


def draw_difficulty(level: int, draw: Draw) -> str:
    percent = draw(100)
    for difficulty, share in mix(level).items():
        percent -= share
        if percent < 0:
            return difficulty
    raise AssertionError(f"the difficulties of level {level} do not sum to 100 %")


def draw_depth(difficulty: str, draw: Draw) -> int:
    depths = _DEPTHS[difficulty]
    return depths[draw(len(depths))]


def deepest(level: int) -> int:
    """Calls within calls, at most."""
    return max(map(max, _DEPTHS.values())) if level >= UNLOCK else 1
