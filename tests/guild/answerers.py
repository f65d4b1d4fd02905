"""In the place of a model: python -m tests.guild.answerers perfect|random|unreachable|broken HOME TASK

Everything around the answers is real: items, grading, papers, publishing.
"""

import random
import sys
from pathlib import Path

import msgspec

from realm.core.files import write_whole
from realm.core.paths import Home
from realm.guild.exam_book import exam_name, publish_exam
from realm.guild.exams import Item, paper, report
from realm.guild.skills import get_trainer
from realm.guild.tasks import RESULT_FILE, TASK_FILE, TaskResult, TaskText

ITEMS = 50


def answers_of(kind: str, items: list[Item], seed: str) -> list[str]:
    if kind == "perfect":
        return [item.answer for item in items]
    dice = random.Random(seed)
    return [dice.choice(items).answer for _ in items]


def main(kind: str, home: Home, task: Path) -> None:
    arguments = msgspec.json.decode((task / TASK_FILE).read_bytes(), type=TaskText).arguments
    if kind == "broken":
        sys.exit("no such device")
    if kind == "unreachable":
        write_whole(task / RESULT_FILE, msgspec.json.encode(TaskResult(error="no route to the skill's server")))
        return
    skill, level, checkpoint = arguments["skill"], arguments["level"], arguments["checkpoint"]
    trainer = get_trainer(skill)
    items = trainer.exam(level, ITEMS, checkpoint)
    papers = [
        paper(item, answer, True, trainer.score(answer, item))
        for item, answer in zip(items, answers_of(kind, items, checkpoint), strict=True)
    ]
    result = report(papers, skill=skill, version=trainer.VERSION, checkpoint=checkpoint, digest="0" * 64, generation={})
    name = exam_name(skill, checkpoint, level, trainer.VERSION)
    publish_exam(home, name, result, b"".join(msgspec.json.encode(one) + b"\n" for one in papers))
    write_whole(task / RESULT_FILE, msgspec.json.encode(TaskResult(data={"exam": name})))


if __name__ == "__main__":
    main(sys.argv[1], Home(Path(sys.argv[2])), Path(sys.argv[3]))
