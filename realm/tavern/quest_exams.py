"""The exams before and after a quest: what it may have taught. Both are of the same level, each with its interval."""

from typing import Any

import msgspec

from realm.core.checkpoint_ledger import extract_step
from realm.core.paths import Home
from realm.guild.annals import Graded, Line, annals_file
from realm.guild.exams import wilson_interval


def exams_around(home: Home, skill: str, first_step: int, last_step: int) -> dict[str, Any] | None:
    """{"level", "before", "after"}: the last exam of a checkpoint up to `first_step`, the first from `last_step` on.

    Of the highest level that has both; None if none has. Raises OSError; a line that is none is passed over.
    """
    before: dict[int, Graded] = {}
    after: dict[int, Graded] = {}
    decoder = msgspec.json.Decoder(Line)
    file = annals_file(home)
    for line in file.read_bytes().splitlines() if file.exists() else ():
        try:
            told = decoder.decode(line)
            step = extract_step(told.checkpoint) if isinstance(told, Graded) else None
        except (msgspec.MsgspecError, ValueError):  # UnicodeDecodeError, and a checkpoint that is none
            continue
        if isinstance(told, Graded) and told.skill == skill and step is not None:
            if step <= first_step:
                before[told.level] = told
            elif step >= last_step:
                after.setdefault(told.level, told)
    level = max(before.keys() & after.keys(), default=None)
    return None if level is None else {"level": level, "before": _shown(before[level]), "after": _shown(after[level])}


def _shown(exam: Graded) -> dict[str, Any]:
    low, high = wilson_interval(exam.correct, exam.count)
    return {"exam": exam.exam, "checkpoint": exam.checkpoint, "accuracy": exam.accuracy, "low": low, "high": high}
