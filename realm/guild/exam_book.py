"""exams/: one folder for each exam that was sat, whole or absent, never changed.

    exams/<skill>/<checkpoint>-l<level>-v<version of the skill>/report.json, papers.jsonl

Its name says all that makes it another exam, so each is sat once.
"""

import shutil
from collections.abc import Iterator

import msgspec

from realm.core.files import publish_folder, write_whole
from realm.core.paths import Home
from realm.guild.annals import Graded
from realm.guild.exams import Report

REPORT_FILE, PAPERS_FILE = "report.json", "papers.jsonl"


def exam_name(skill: str, checkpoint: str, level: int, version: str) -> str:
    return f"{skill}/{checkpoint}-l{level}-v{version}"


def publish_exam(home: Home, name: str, report: Report, papers: bytes) -> None:
    """Durable when it returns; quiet if it was published before. Raises OSError."""
    final = home.exams / name
    if final.exists():
        return
    final.parent.mkdir(exist_ok=True)
    staging = final.with_name(f".{final.name}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    write_whole(staging / PAPERS_FILE, papers)
    write_whole(staging / REPORT_FILE, msgspec.json.format(msgspec.json.encode(report), indent=2))
    publish_folder(staging, final)


def exam_names(home: Home) -> Iterator[str]:
    """Of every exam that was sat."""
    for folder in home.exams.glob("[!.]*/[!.]*"):
        yield f"{folder.parent.name}/{folder.name}"


def read_report(home: Home, name: str) -> Report:
    """Raises FileNotFoundError, msgspec.MsgspecError."""
    return msgspec.json.decode((home.exams / name / REPORT_FILE).read_bytes(), type=Report)


def graded(name: str, report: Report, mastered_level: int) -> Graded:
    """An exam as the annals tell it."""
    return Graded(
        exam=name,
        skill=report.skill,
        version=report.skill_version,
        level=max(report.levels),
        checkpoint=report.checkpoint,
        at=report.sat_at,
        count=report.count,
        correct=report.correct,
        role="mastered" if max(report.levels) <= mastered_level else "training",
    )


def tidy(home: Home) -> None:
    """At start: removes what a kill left half written."""
    for leftover in home.exams.glob("*/.*"):
        shutil.rmtree(leftover, ignore_errors=True)
