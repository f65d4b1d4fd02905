"""The climb as the annals tell it: where the hero stands in each skill, and the exams of each level."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from realm.core.history import DamagedHistory
from realm.core.paths import Home, shipped_configs
from realm.guild.annals import Dispatched, Graded, Line, Reverted, annals_file
from realm.guild.curriculum import Taught
from realm.guild.progression import Standing, after_exam, after_revert, standing
from realm.guild.skills import Skill, load_skills
from realm.tavern.achievements import Tally
from realm.tavern.following import Growing

KEPT = 24  # exams of a level
FAIR_EXAM = 20  # items; all right in fewer is luck


class Rung(Struct):
    """What was examined of one level."""

    exams: int = 0
    latest: Graded | None = None
    accuracies: tuple[float, ...] = ()  # of the newest KEPT exams, oldest first


class Climb(Growing):
    """For one thread at a time."""

    def __init__(self, home: Home):
        self._home = home
        self._decoder = msgspec.json.Decoder(Line)
        self._files: dict[Path, int] = {}
        self.skills: dict[str, Skill] = {}
        super().__init__(annals_file(home))

    def begin(self) -> None:
        super().begin()
        self.standings: dict[str, Standing] = {name: standing(skill, ()) for name, skill in self.skills.items()}
        self.rungs: dict[tuple[str, int], Rung] = {}
        self.batches = 0
        self.taught: Taught = Counter()
        self.tally = Tally()

    def look(self) -> None:
        """Raises SkillError, DamagedHistory, OSError."""
        files = self._skill_files()
        if files != self._files:  # a level more, or another threshold: the same exams mean something else
            self.skills, self._files = load_skills(), files
            self.begin()
        super().look()

    def take(self, line: bytes, number: int) -> None:
        try:
            told = self._decoder.decode(line)
            if isinstance(told, Dispatched):
                self._dispatched(told)
            elif told.skill in self.skills:
                self._graded(told) if isinstance(told, Graded) else self._reverted(told)
        except (msgspec.MsgspecError, ValueError) as error:  # UnicodeDecodeError, and a time that is none
            raise DamagedHistory(f"{self.path}, line {number}: {error}") from None

    def _dispatched(self, batch: Dispatched) -> None:
        self.batches += 1
        for part in batch.parts:
            taught = self.taught[batch.skill, part.level]
            self.taught[batch.skill, part.level] = max(taught, part.first_index + part.count)

    def _reverted(self, revert: Reverted) -> None:
        self.standings[revert.skill] = after_revert(self.standings[revert.skill], revert)

    def _graded(self, exam: Graded) -> None:
        before = self.standings[exam.skill]
        after = self.standings[exam.skill] = after_exam(before, exam)
        rung = self.rungs.setdefault((exam.skill, exam.level), Rung())
        rung.exams, rung.latest = rung.exams + 1, exam
        rung.accuracies = (*rung.accuracies, exam.accuracy)[-KEPT:]
        at, evidence = datetime.fromisoformat(exam.at), f"exams/{exam.exam}/report.json"
        if exam.correct == exam.count >= FAIR_EXAM:
            self.tally.reach("perfect", 1, at, evidence)
        if after.mastered_level > before.mastered_level:
            mastered = sum(one.mastered_level for one in self.standings.values())
            self.tally.reach("mastered", mastered, at, evidence)
            self.tally.reach(f"mastered_{exam.skill}", after.mastered_level, at, evidence)

    def _skill_files(self) -> dict[Path, int]:
        folders = (shipped_configs() / "skills", self._home.configs / "skills")
        return {file: file.stat().st_mtime_ns for folder in folders for file in folder.glob("*.yaml")}
