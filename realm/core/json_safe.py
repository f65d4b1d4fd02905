"""What JSON cannot hold: NaN and Infinity become null with a reason, stray bytes in file names are escaped."""

import math
from typing import Any


def finite(number: float | None) -> float | None:
    """The number itself, or None if it is NaN, infinite or unknown."""
    return number if number is not None and math.isfinite(number) else None


def json_safe(value: Any) -> tuple[Any, list[str]]:
    """A copy of plain Python data that any JSON reader takes, and one sentence for each number that became null."""
    problems: list[str] = []
    return _safe(value, "", problems), problems


def _safe(value: Any, path: str, problems: list[str]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        problems.append(f"{path or 'value'} is {value}")
        return None
    if isinstance(value, str):  # a file name that is not UTF-8 holds lone surrogates, which no encoder takes
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_safe(key, path, problems): _safe(item, _below(path, key), problems) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(item, _below(path, index), problems) for index, item in enumerate(value)]
    return value


def _below(path: str, part: object) -> str:
    return f"{path}.{part}" if path else f"{part}"
