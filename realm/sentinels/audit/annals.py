"""The climb, as the annals tell it, and what of it lies in exams/ and tasks/."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from realm.core.paths import Home
from realm.sentinels.audit.lines import Lines

BATCH = re.compile(r"(?:^|-)curriculum-([0-9]{6})-")  # in the name of a drop, and of the quest that it becomes


class Items(Struct, frozen=True):
    level: int
    first_index: int
    count: int


class Line(Struct, frozen=True):
    """An exam, a batch or a revert: what is audited of it."""

    kind: str
    skill: str
    exam: str = ""
    checkpoint: str = ""
    level: int = 0
    count: int = 0
    correct: float = 0.0
    number: int = 0
    parts: tuple[Items, ...] = ()


@dataclass
class Climb:
    exams: list[Line] = field(default_factory=list)  # graded
    batches: list[Line] = field(default_factory=list)
    papers: set[str] = field(default_factory=set)  # folders below exams/
    tasks: dict[str, list[str]] = field(default_factory=dict)  # task -> the states it lies in

    @classmethod
    def read(cls, home: Home, lines: Lines) -> "Climb":
        """The annals before the folders: an exam's folder is there before its line."""
        told = list(lines.of(home.history / "scheduler.jsonl", Line))
        exams = [line for line in told if line.kind == "graded"]
        batches = [line for line in told if line.kind == "dispatched"]
        papers = {f"{folder.parent.name}/{folder.name}" for folder in home.exams.glob("[!.]*/[!.]*")}
        return cls(exams, batches, papers, _tasks(home.tasks))


class Report(Struct, frozen=True):
    checkpoint: str
    levels: list[int]
    count: int
    correct: float


def report_of(home: Home, exam: str) -> Report:
    """Raises OSError, msgspec.MsgspecError."""
    return msgspec.json.decode((home.exams / exam / "report.json").read_bytes(), type=Report)


def json_of(file: Path) -> dict[str, Any]:
    """{} if it is not there (any more), or cannot be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError):
        return {}


def _tasks(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for folder in root.glob("*/[!.]*"):
        found[folder.name].append(folder.parent.name)
    return dict(found)
