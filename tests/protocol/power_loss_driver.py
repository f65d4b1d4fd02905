"""The program that is recorded: `python -m tests.protocol.power_loss_driver BASE`.

BASE/plan.json lists runs: a folder of BASE/homes, a subject, a mutation or none. Each is done in a process of its own,
from the subject's start to its last act, and marked act by act.
"""

import json
import os
import sys
from pathlib import Path

from realm.core.paths import Home
from tests.protocol.power_loss_disk import UMASK
from tests.protocol.power_loss_mutations import MUTATIONS
from tests.protocol.power_loss_subject import Subject, conditions
from tests.protocol.power_loss_subjects import SUBJECTS
from tests.protocol.power_loss_trace import HOMES, MARKS


def main() -> None:
    base = Path(sys.argv[1])
    os.umask(UMASK)
    marks = os.open(base / MARKS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for home, subject, mutation in json.loads((base / "plan.json").read_text()):
        child = os.fork()
        if child == 0:
            if mutation:
                MUTATIONS[mutation].apply()
            os._exit(run(SUBJECTS[subject], Home(base / HOMES / home), marks))
        os.waitpid(child, 0)


def run(subject: Subject, home: Home, marks: int) -> int:
    def mark(text: str) -> None:
        os.write(marks, f"{home.root.name} {text}\n".encode())

    try:
        with conditions():
            world = subject.start(home)
            for number, act in enumerate(subject.acts, start=1):
                if act(world) is not False:
                    mark(str(number))
    except Exception as error:  # noqa: BLE001 - told to whoever reads the recording
        mark(f"{type(error).__name__}: {error}".replace("\n", " "))
    return 0


if __name__ == "__main__":
    main()
