"""A perfect answerer in the place of a model, from level 1 to 30: python -m tests.benchmarks.perfect_climb

The scheduler is the real daemon, its worker answers every item right; checkpoints appear as the trainer would publish
them, and drops go as they would be trained. Prints each level and what it took. Exit status 1 if it does not arrive.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from realm.core.paths import Home
from realm.guild.annals import Dispatched, read_annals
from realm.sentinels.audit import audit
from tests.arena.realm_home import eventually
from tests.guild.test_scheduler import bin_now, configure, graded, is_examined, put_checkpoint, running

MOST_CHECKPOINTS = 120  # the third that a level needs is the first of the next; twice as many as that takes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    home = Home(parser.parse_args().home or Path(tempfile.mkdtemp(prefix="perfect-climb-")) / "home")
    home.create()
    os.environ["REALM_HOME"] = str(home.root)
    configure(home, strategy="focus", batch=300)
    began = time.monotonic()
    with running(home, "perfect"):
        for number in range(1, MOST_CHECKPOINTS + 1):
            before = bin_now(home).mastered_level
            name = put_checkpoint(home, number)
            eventually(lambda name=name: is_examined(home, name), what=name)  # type: ignore[misc]
            train(home)
            now = bin_now(home)
            if now.mastered_level > before:
                print(
                    f"{time.monotonic() - began:6.1f} s  level {now.mastered_level:2} after {number} checkpoints",
                    flush=True,
                )
            if now.is_complete:
                break
    print(summary(home, time.monotonic() - began))
    return 0 if bin_now(home).is_complete else 1


def train(home: Home) -> None:
    """What was dropped goes, so that the next batch is of the level that is trained now."""
    for file in (home.inbox / "low").glob("*.jsonl"):
        file.with_name(f"{file.name}.meta.json").unlink(missing_ok=True)
        file.unlink()


def summary(home: Home, seconds: float) -> str:
    exams = graded(home)
    batches = [line for line in read_annals(home) if isinstance(line, Dispatched)]
    taught = Counter(max(part.level for part in line.parts) for line in batches)
    roles = Counter(one.role for one in exams)
    trouble = [one.what for one in audit(home, deep=True)["Climb"] if one.severity == "trouble"]
    lines = [
        f"{len(exams)} exams ({roles['training']} at the training level, {roles['mastered']} at mastered ones)"
        f" in {seconds:.0f} s, {seconds / len(exams):.2f} s each; {len(batches)} batches, of levels {sorted(taught)}",
        f"mastered {bin_now(home).mastered_level} of 30; the audit of the climb: {trouble or 'in order'}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
