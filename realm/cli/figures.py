"""Numbers as people read them: short, with their unit, and a dash where nothing is known."""

from datetime import UTC, datetime

UNKNOWN = "–"

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def number(value: float | None) -> str:
    """12,345"""
    return UNKNOWN if value is None else f"{value:,.0f}"


def decimal(value: float | None, places: int = 4) -> str:
    """0.4123"""
    return UNKNOWN if value is None else f"{value:,.{places}f}"


def scientific(value: float | None) -> str:
    """3.00e-03"""
    return UNKNOWN if value is None else f"{value:.2e}"


def percent(share: float | None) -> str:
    """62.5 %; never 100.0 % before the end."""
    if share is None:
        return UNKNOWN
    return f"{min(share * 100, 99.9) if share < 1 else share * 100:.1f} %"


def size(count: float | None) -> str:
    """9.5 MiB"""
    if count is None:
        return UNKNOWN
    power = 0
    while abs(count) >= 1024 and power < len(_SIZES) - 1:
        count, power = count / 1024, power + 1
    return f"{count:,.0f} {_SIZES[0]}" if power == 0 else f"{count:,.1f} {_SIZES[power]}"


def span(seconds: float | None) -> str:
    """4 m 10 s: the two largest units."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, round(seconds))
    amounts = [(whole // 86_400, "d"), (whole // 3_600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    while len(amounts) > 1 and amounts[0][0] == 0:
        amounts.pop(0)
    return " ".join(f"{amount} {unit}" for amount, unit in amounts[:2])


def age(seconds: float | None) -> str:
    """4 m: the largest unit alone, rounded down."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    unit, length = next(((unit, length) for unit, length in _UNITS if whole >= length), _UNITS[-1])
    return f"{whole // length} {unit}"


def since(moment: datetime, now: datetime) -> str:
    """4 m ago"""
    return f"{age((now - moment).total_seconds())} ago"


def utc(moment: datetime) -> str:
    """2025-11-27T14:30:00Z"""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
