"""What ended, as history tells it, and which of its lines are the present campaign's."""

from collections import defaultdict, deque
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from realm.core.history import ENDERS, Outcome
from realm.sentinels.audit.lines import Lines


class Lineage(Struct, frozen=True, gc=False):
    first_step: int | None = None  # the campaign's step before the claim; earlier versions did not tell


class Ended(Struct, frozen=True, gc=False):
    """What is audited of a line. A hundred thousand of them are held at once."""

    quest: str
    outcome: Outcome
    ended_at: datetime
    claim: int | None = None  # None: it was never claimed
    campaign: str | None = None  # earlier versions did not tell
    sha256: str | None = None
    bytes: int | None = None
    steps: int = 0
    examples: int = 0
    tokens: int = 0
    seal: str | None = None
    data: Lineage = Lineage()


class Claimed(Struct, frozen=True, gc=False):
    """A claim, wherever it is written down."""

    number: int
    quest: str
    outcome: str = "open"
    sha256: str = ""
    first_step: int | None = 0
    steps: int = 0
    examples: int = 0
    tokens: int = 0


def read_history(folder: Path, lines: Lines) -> dict[str, list[Ended]]:
    """By daemon. What others keep there is only read, to see that it can be; the scheduler's is the climb's."""
    for file in folder.glob("*.jsonl"):
        if file.stem not in (*ENDERS, "scheduler"):
            deque(lines.of(file, dict[str, Any]), maxlen=0)
    return {daemon: list(lines.of(folder / f"{daemon}.jsonl", Ended)) for daemon in ENDERS}


def by_campaign(ended: list[Ended], present: str, its_first: str | None) -> dict[str, list[Ended]]:
    """The lines of claims. `present` names the present campaign, `its_first` the quest of its claim 1, if still known.

    Lines that name no campaign are an earlier version's: they are of the next one that is named, unless that one
    counts from 1 itself.
    """
    campaigns: dict[str, list[Ended]] = defaultdict(list)
    unnamed: list[Ended] = []
    for one in ended:
        if one.claim is not None and one.campaign is None:
            unnamed.append(one)
        elif one.claim is not None and one.campaign is not None:
            campaigns[one.campaign if one.claim != 1 else ""] += unnamed
            campaigns[one.campaign].append(one)
            unnamed = []
    is_present = not unnamed or its_first in (None, unnamed[0].quest)
    campaigns[present if is_present else ""] += unnamed
    return {name: lines for name, lines in campaigns.items() if lines}


def as_claimed(ended: Ended) -> Claimed:
    return Claimed(
        number=ended.claim or 0,
        quest=ended.quest,
        outcome=ended.outcome,
        sha256=ended.sha256 or "",
        first_step=ended.data.first_step,
        **{key: getattr(ended, key) for key in ("steps", "examples", "tokens")},
    )


def claimed_in(data: object) -> Claimed:
    """Of a line of the journal, which does not tell the step yet. Raises msgspec.ValidationError."""
    return msgspec.structs.replace(msgspec.convert(data, Claimed), first_step=None)
