"""Carries out one exam task of the scheduler, in a process of its own:

    python -m realm.scrolls.exam_task HOME TASK DEVICE

The Oracle of another machine answers if it has the checkpoint, else a model in this process; the report says which,
and why. The task's folder receives result.json; the exam itself is published below exams/ before it. A checkpoint or a
skill server that cannot be reached is an error of the task and no grade of anybody. What broke off elsewhere, or is
short of memory here after all, ends without a result, and is sat again.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from realm.core.checkpoint_ledger import CheckpointLedger, parse_name
from realm.core.files import write_whole
from realm.core.paths import Home
from realm.guild.exam_book import exam_name, publish_exam
from realm.guild.exams import Item, Paper, Report
from realm.guild.memory import exam_shortage
from realm.guild.skills import SkillError, Trainer, get_trainer
from realm.guild.tasks import RESULT_FILE, TASK_FILE, TaskResult, TaskText
from realm.scrolls.exam_elsewhere import BrokenOff, NotElsewhere, answers_of, find_seat
from realm.scrolls.exam_sheet import Sheet, paper_lines

NICE = 10  # exams give way to the trainer and to people
ITEMS = 50  # the five static ones, and others drawn for this checkpoint
WEIGHTS = "model.safetensors"


def sit(home: Home, device: str, checkpoint: str, skill: str, level: int) -> str:
    """Publishes the exam; returns its name. Raises OSError, SkillError, ValueError, BrokenOff."""
    parse_name(checkpoint)
    trainer = get_trainer(skill)
    name = exam_name(skill, checkpoint, level, trainer.VERSION)
    if not (home.exams / name).exists():
        digest = _checked(home, checkpoint)
        folder, items = home.current_model / checkpoint, trainer.exam(level, ITEMS, checkpoint)
        try:
            seat = find_seat(home, checkpoint, digest, f"{checkpoint}/{skill}/v{trainer.VERSION}/l{level}")
        except NotElsewhere as reason:
            report, papers = _sit_here(folder, str(reason), skill, trainer, items, device)
        else:
            sheet = Sheet(folder, skill, trainer, items)
            report, papers = sheet.graded(answers_of(seat, sheet), digest, seat.settings)
        publish_exam(home, name, report, paper_lines(papers))
    return name


def _sit_here(
    folder: Path, why_here: str, skill: str, trainer: Trainer, items: Sequence[Item], device: str
) -> tuple[Report, list[Paper]]:
    """`why_here`: what kept it from other machines, for the report. Raises as `sit`."""
    if shortage := exam_shortage(folder / WEIGHTS):
        raise BrokenOff("; ".join(filter(None, (shortage, why_here))))
    from realm.armory.quiet import silence_transformers  # torch: an exam elsewhere needs none
    from realm.scrolls.exam import examine

    silence_transformers()
    report, papers = examine(folder, skill, trainer, items, device)
    place = "; ".join(filter(None, (str(report.generation["device_why"]), why_here)))
    return msgspec.structs.replace(report, generation={**report.generation, "device_why": place}), papers


def _checked(home: Home, checkpoint: str) -> str:
    """The SHA-256 of its weights. Raises ValueError unless it is as it was saved."""
    ledger = CheckpointLedger(home.current_model)
    record = next((one for one in ledger.list_all() if one.canonical_name == checkpoint), None)
    if record is None:
        raise ValueError(f"{checkpoint} is not in the ledger: it was retired, or its record is damaged")
    if problems := ledger.verify(record):
        raise ValueError(f"{checkpoint}: {'; '.join(problems)}")
    if WEIGHTS not in record.manifest:
        raise ValueError(f"{checkpoint} has no {WEIGHTS}: an exam needs its weights in that one file")
    return record.manifest[WEIGHTS]


def main(home: Home, task: Path, device: str = "auto") -> None:
    """Raises SystemExit for what is to be sat again."""
    text = msgspec.json.decode((task / TASK_FILE).read_bytes(), type=TaskText)
    try:
        result = TaskResult(data={"exam": sit(home, device, **text.arguments)})
    except BrokenOff as reason:
        raise SystemExit(str(reason)) from None
    except (OSError, SkillError, ValueError) as error:
        result = TaskResult(error=str(error))
    write_whole(task / RESULT_FILE, msgspec.json.encode(result))
    print(json.dumps(msgspec.to_builtins(result)))


if __name__ == "__main__":
    os.nice(NICE)
    main(Home(Path(sys.argv[1])), Path(sys.argv[2]), *sys.argv[3:])
