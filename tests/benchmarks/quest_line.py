"""The climb, unattended: python -m tests.benchmarks.quest_line --minutes 30 --home .quest-line

`realm play` in a home of its own, and nobody touching it. Prints where the hero stands every minute, and at the end
each level that was mastered with its exams. Exit status 1 if it does not train level 3 by then.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.status import TrainingStatus, read_status
from realm.guild.annals import Graded, read_annals
from realm.guild.exams import wilson_interval
from realm.guild.progression import Standing, standing
from realm.guild.skills import get_skill

SKILL = "bin"
AIM = 3  # the training level that half an hour must reach


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--home", type=Path, default=Path(".quest-line"))
    asked = parser.parse_args()
    home = Home(asked.home.absolute())
    os.environ["REALM_HOME"] = str(home.root)
    began = time.monotonic()
    with Path(os.devnull).open("wb") as nowhere:
        play = subprocess.Popen([sys.executable, "-m", "realm", "play"], stdout=nowhere, stderr=nowhere)
        try:
            while time.monotonic() - began < 60 * asked.minutes and play.poll() is None:
                time.sleep(min(60.0, 60 * asked.minutes))
                print(line_of(home, time.monotonic() - began), flush=True)
        finally:
            play.send_signal(signal.SIGINT)
            play.wait(120)
    print(summary(home))
    return 0 if play.returncode == 0 and bin_of(home).training_level >= AIM else 1


def bin_of(home: Home) -> Standing:
    return standing(get_skill(SKILL), read_annals(home))


def line_of(home: Home, seconds: float) -> str:
    shown = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
    now = bin_of(home)
    window = " ".join(f"{one.accuracy:.0%}" for one in now.window)
    step = shown.step if shown else None
    speed = f"{shown.tokens_per_second:,.0f} tokens/s" if shown and shown.tokens_per_second else ""
    return f"{seconds / 60:5.1f} min  step {step or 0:6,}  trains level {now.training_level}  [{window}]  {speed}"


def summary(home: Home) -> str:
    now = bin_of(home)
    exams = {line.exam: line for line in read_annals(home) if isinstance(line, Graded)}
    began = datetime.fromisoformat(read_metrics(home.metrics)[0]["at"])
    lines = [f"trains level {now.training_level} after {len(exams)} exams; papers in {home.exams}"]
    for earned in now.level_ups:
        minutes = (datetime.fromisoformat(earned.at) - began).total_seconds() / 60
        lines.append(f"level {earned.level} mastered {minutes:.1f} min after the first step, mean {earned.mean:.1%}:")
        for exam in (exams[name] for name in earned.evidence):
            low, high = wilson_interval(exam.correct, exam.count)
            lines.append(f"    {exam.correct:g} of {exam.count}, {low:.0%} to {high:.0%}, {exam.checkpoint}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
