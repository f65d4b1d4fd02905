"""scheduler: the daemon that teaches and examines.

NAME      realm run scheduler
READS     config.json (curriculum), champion.json, configs/skills/, current_model/checkpoint-*/, queue/ and inbox/,
          control/orders/scheduler/ (revert)
WRITES    inbox/low/ (batches), tasks/, exams/, history/scheduler.jsonl, status/scheduler.json, events/scheduler.jsonl;
          control/orders/trainer/ (a checkpoint, when none came for exam_minutes)
SIGNALS   TERM, INT: ends the running exam, which is sat at the next start, and ends; a second one: the end at once
STATES    starting, idle, working (an exam is sat), waiting (problems says for what), stopping, ended
LOG LINES ready, submit, exam, not-evaluated, level, dispatch, revert, wait, config, status, and those of every daemon
RECOVERY  from the annals: an exam that was published and not written down is; a batch without its drop gets it
PORT      8766 on loopback: see realm/guild/scheduler_api.py
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from realm.core.checkpoint_ledger import CheckpointLedger, CheckpointRecord
from realm.core.config import Curriculum
from realm.core.control import Control, Order
from realm.core.crown import Crown, DamagedCrown, read_crown
from realm.core.current_config import CurrentConfig
from realm.core.daemon import Frame
from realm.core.events import EventLog
from realm.core.history import DamagedHistory
from realm.core.listener import Listener
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home
from realm.core.status import (
    SchedulerStatus,
    SkillStanding,
    TrainingStatus,
    is_locked,
    read_status,
    write_status,
)
from realm.guild import dispatch, exam_book
from realm.guild.annals import Annals, Graded, Reverted
from realm.guild.curriculum import NothingToTeach, in_words, next_decision, plans_of, taught
from realm.guild.examiner import WORKER, Examiner, due_exams
from realm.guild.exams import Report, place_in
from realm.guild.progression import Standing, standing
from realm.guild.scheduler_api import SchedulerApi
from realm.guild.skills import Skill, SkillError, get_skill, list_skills
from realm.guild.tasks import URGENCIES, TaskQueue

NAME = "scheduler"
PORT = 8766
CANNOT_START = 78  # sysexits.h EX_CONFIG
INTERVAL = 5.0  # seconds between status documents
POLL = 1.0  # seconds between two looks
MINUTE = timedelta(minutes=1)


class Scheduler:
    """`turn` is one look at the world. Everything it knows is in files before it acts on it."""

    def __init__(self, home: Home, frame: Frame, worker: Sequence[str], port: int):
        """Recovers from files alone. Raises DamagedHistory, SkillError, OSError."""
        self.home, self.frame = home, frame
        self.config = CurrentConfig(home.config_file)
        self.events = EventLog(home.events, NAME)
        self.annals = Annals(home)
        self.tasks = TaskQueue(home)
        self.tasks.make_folders()
        self.examiner = Examiner(home, self.tasks, worker)
        self.control = Control(home)
        self.ledger = CheckpointLedger(home.current_model)
        self.skills: dict[str, Skill] = {skill: get_skill(skill) for skill in list_skills()}
        self.standings = {skill: standing(self.skills[skill], self.annals.lines) for skill in self.skills}
        self.asked_at = datetime.now(UTC)  # when the trainer was last asked for a checkpoint
        self.is_last_dropped = False  # the last batch: a kill, or a full disk, may have come before its drop
        self.has_unwritten_exams = True  # a published exam may have no line in the annals yet
        self.listener = Listener(lambda: LoopbackServer(SchedulerApi(home).app, port, frame.log))
        self.unwritten = ""  # why the status could not be written
        self.crown: Crown | None = None  # that was told of
        self.problems: dict[str, str] = {}  # what is short or wrong, by whose business it is
        self.state = "starting"
        self.exam_place = self._last_place()  # of the last exam that was graded
        self._recover()

    def run(self) -> None:
        self.frame.ready(f"teaches {', '.join(self.skills)}")
        self.events.emit("daemon.started", "the scheduler teaches and examines")
        with self.listener:
            while not self.frame.stopping.is_set():
                self.frame.tick("step")
                self.listener.look()
                self._note("port", self.listener.problem)
                self.turn()
                self.frame.wait(POLL)
            self.state = "stopping"
        self.examiner.stop()
        self.state = "ended"
        self.events.emit("daemon.ended", "the scheduler ended as it was told")
        self.show(self.frame)

    def turn(self) -> None:
        """What a full disk prevents is told, and done at a later turn."""
        try:
            self._turn()
        except OSError as error:
            self._note("disk", str(error))
            self.state = "waiting"
        else:
            self._note("disk", None)

    def _turn(self) -> None:
        self._look_at_config()
        self._look_at_crown()
        self._obey_orders()
        self._land_exams()
        settings = self.config.value.curriculum if self.config.value else None
        if settings and settings.enabled:
            self._teach(settings)
        else:
            self._note("curriculum", None)
        self._note("exam", self.examiner.begin_next(self.config.value.device if self.config.value else "auto"))
        busy = self.examiner.is_busy
        self.state = "working" if busy else "waiting" if self.problems else "idle"

    def _teach(self, settings: Curriculum) -> None:
        try:
            self._ask_for_exams(settings)
            self._feed(settings)
        except (NothingToTeach, SkillError) as error:
            self._note("curriculum", str(error))
        else:
            self._note("curriculum", None)

    # Recovery

    def _recover(self) -> None:
        self.examiner.ended()
        if not self.examiner.is_busy:  # else its worker has outlived us, and what it half wrote is its own
            self.tasks.tidy()
            self.tasks.trim()
            exam_book.tidy(self.home)

    def _last_place(self) -> str | None:
        if not self.annals.graded:
            return None
        try:
            return place_in(exam_book.read_report(self.home, self.annals.graded[-1].exam))
        except (OSError, msgspec.MsgspecError):  # its papers were put elsewhere
            return None

    # Exams

    def _land_exams(self) -> None:
        for task in self.examiner.ended():
            error = task.result.error if task.result else None
            if task.state in URGENCIES:
                reason = f"its process ended without a result{task.last_words}"
                self.frame.log("not-evaluated", task=task.id, reason=f"{reason}; it is tried again")
            if task.state == "failed":
                self.frame.log("not-evaluated", task=task.id, reason=error)
                text = "{checkpoint} did not sit {skill} level {level}: ".format(**task.text.arguments)
                self.events.emit("exam.not_evaluated", f"{text}{error}", key=task.id)
            self.has_unwritten_exams = True
            self.tasks.trim()
        if self.has_unwritten_exams:
            self._write_down_exams()

    def _write_down_exams(self) -> None:
        """Each exam that lies in exams/ gets its line in the annals, in the order in which they were sat."""
        known = {one.exam for one in self.annals.graded}
        found, strange = {}, None
        for name in set(exam_book.exam_names(self.home)) - known:
            try:
                found[name] = exam_book.read_report(self.home, name)
            except (OSError, msgspec.MsgspecError) as error:
                strange = f"{self.home.exams / name} is no exam, move it elsewhere: {error}"
        self._note("exams", strange)
        for name, report in sorted(found.items(), key=lambda pair: pair[1].sat_at):
            if report.skill in self.skills:
                self._write_down(name, report)
        self.has_unwritten_exams = strange is not None

    def _append(self, line: Graded | Reverted) -> None:
        """Durable first, then the standing that follows from it."""
        self.annals.append(line)
        self.standings[line.skill] = standing(self.skills[line.skill], self.annals.lines)

    def _write_down(self, name: str, report: Report) -> None:
        self.exam_place = place_in(report)
        before = self.standings[report.skill]
        line = exam_book.graded(name, report, before.mastered_level)
        self._append(line)
        after = self.standings[report.skill]
        low, high = report.interval
        text = f"{line.skill} level {line.level}: {line.correct:g} of {line.count} right"
        self.frame.log("exam", exam=name, accuracy=f"{line.accuracy:.3f}")
        self.events.emit(
            "exam.graded",
            f"{text} ({low:.0%} to {high:.0%}), {line.checkpoint}",
            key=name,
            data={"exam": name, "accuracy": line.accuracy, "interval": [low, high], "role": line.role},
        )
        if after.mastered_level > before.mastered_level:
            self._tell_level_up(after)
        fallen = {one.level for one in after.regressions} - {one.level for one in before.regressions}
        if fallen:
            self.events.emit("skill.regressed", f"{text}: it was mastered, and fell", key=name)

    def _tell_level_up(self, now: Standing) -> None:
        earned = now.level_ups[-1]
        text = f"{now.skill} level {earned.level} is mastered: {earned.mean:.0%} over {len(earned.evidence)} exams"
        self.frame.log("level", skill=now.skill, mastered=earned.level, mean=f"{earned.mean:.3f}")
        self.events.emit("skill.level", text, key=earned.evidence[-1], data=msgspec.to_builtins(earned))

    def _ask_for_exams(self, settings: Curriculum) -> None:
        newest = self._newest_checkpoint()
        if newest:
            plans = plans_of(settings, self.skills)
            taught = [skill for skill in self.skills.values() if plans[skill.id].enabled]
            self.examiner.withdraw_older(newest.canonical_name)
            self.examiner.submit(due_exams(newest, taught, self.standings, self.annals.graded))
        if settings.exam_minutes:
            self._ask_for_checkpoint(newest, settings.exam_minutes * MINUTE)

    def _newest_checkpoint(self) -> CheckpointRecord | None:
        return next(iter(self.ledger.list_all(limit=1)), None)

    def _ask_for_checkpoint(self, newest: CheckpointRecord | None, every: timedelta) -> None:
        """One by order, if none came for so long although steps were trained. An order that waits is not repeated."""
        if not is_locked(self.home.locks / "trainer.lock"):
            return
        now = datetime.now(UTC)
        latest = datetime.fromisoformat(newest.timestamp) if newest else self.asked_at
        trained = read_status(self.home.status / TrainingStatus.FILE, TrainingStatus)
        is_behind = trained and trained.step and trained.step > (newest.step if newest else 0)
        waits = any((self.home.orders / "trainer").glob("*.json"))
        if is_behind and not waits and now - max(latest, self.asked_at) >= every:
            self.asked_at = now
            self.control.place_order("trainer", "checkpoint")

    # The curriculum

    def _feed(self, settings: Curriculum) -> None:
        """Batches while too few quests wait; one a turn."""
        if not self.is_last_dropped and (recovered := dispatch.recover(self.home, self.annals)):
            self.frame.log("dispatch", number=recovered.number, recovered=True)
        self.is_last_dropped = True
        if dispatch.quests_ahead(self.home) >= settings.min_queue_depth:
            return
        lines = self.annals.dispatched
        decision = next_decision(len(lines), settings, self.standings, taught(lines))
        self.is_last_dropped = False
        line = dispatch.dispatch(self.home, self.annals, decision)
        self.is_last_dropped = True
        levels = in_words(line.parts)
        self.frame.log("dispatch", number=line.number, skill=line.skill, levels=levels)
        self.events.emit("curriculum.dispatched", f"{line.skill}: {levels} ({line.reason})", key=str(line.number))

    # What people ask for

    def _look_at_config(self) -> None:
        if self.config.look() and self.config.problem:
            self.frame.log("config", problem=self.config.problem)
            self.events.emit("config.refused", self.config.problem)
        self._note("config", self.config.problem)

    def _look_at_crown(self) -> None:
        """People crown; the chronicle is told here, once."""
        try:
            crown = read_crown(self.home)
        except DamagedCrown as error:
            self._note("crown", str(error))
            return
        self._note("crown", None)
        if crown and crown != self.crown:
            why = crown.reason or (f"p = {crown.evidence.p_value:.2g}" if crown.evidence else "the first one")
            key = f"{crown.checkpoint} {crown.crowned_at.isoformat()}"
            self.events.emit("champion.crowned", f"{crown.checkpoint} wears the crown: {why}", key=key)
        self.crown = crown

    def _obey_orders(self) -> None:
        while order := self.control.next_order(NAME):
            self._obey(order)

    def _obey(self, order: Order) -> None:
        if order.action != "revert":
            self.control.refuse(order, f"{order.action!r} is unknown: the scheduler knows revert")
            return
        try:
            asked = msgspec.convert({**order.arguments, "at": _now(), "kind": "reverted"}, Reverted)
        except msgspec.ValidationError as error:
            self.control.refuse(order, str(error))
            return
        now = self.standings.get(asked.skill)
        if now is None or not 1 <= asked.level <= now.mastered_level:
            mastered = f"{now.mastered_level} levels are mastered" if now else f"skills are {', '.join(self.skills)}"
            self.control.refuse(order, f"{asked.skill} level {asked.level} is not mastered: {mastered}")
            return
        self._append(asked)
        self.frame.log("revert", skill=asked.skill, level=asked.level, why=asked.why)
        self.events.emit("skill.reverted", f"{asked.skill} level {asked.level} is to be earned again: {asked.why}")
        self.control.answer(order, {"training_level": self.standings[asked.skill].training_level})

    # What is shown

    def _note(self, business: str, problem: str | None) -> None:
        """Once when it begins, and once when it is over."""
        told = self.problems.get(business)
        if problem and not told:
            self.frame.log("wait", reason=problem)
        if problem:
            self.problems[business] = problem
        else:
            self.problems.pop(business, None)

    def show(self, frame: Frame) -> None:
        """In the heartbeat's thread, too."""
        running = next(self.tasks.all("running"), None)
        graded, dispatched = self.annals.graded, self.annals.dispatched
        document = SchedulerStatus(
            **frame.header(self.state, list(self.problems.values())),
            tasks=self.tasks.counts(),
            running=running.id if running else None,
            exams=len(graded),
            last_exam=graded[-1].exam if graded else None,
            last_exam_place=self.exam_place,
            batches=len(dispatched),
            skills={
                skill: SkillStanding(
                    mastered_level=now.mastered_level,
                    training_level=now.training_level,
                    max_level=now.max_level,
                    window=[one.accuracy for one in now.window],
                    regressed=[one.level for one in now.regressions],
                )
                for skill, now in self.standings.items()
            },
        )
        frame.status(f"{self.state}, {document.exams:,} exams, {document.batches:,} batches")
        if (problem := write_status(self.home.status, document)) and problem != self.unwritten:
            frame.log("status", problem=problem)
            self.unwritten = problem


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main(home: Path, worker: Sequence[str] = WORKER, port: int = PORT) -> None:
    """Raises SystemExit: with a sentence if the home is not one, with 75 if another scheduler runs there.

    `worker` carries out an exam task, named by three further arguments: the home, the task's folder, and the device
    that config.json asks for.
    """
    realm_home = Home(home)
    try:
        realm_home.check_whole()
    except HomeError as error:
        raise SystemExit(str(error)) from None
    scheduler: Scheduler | None = None

    def show(frame: Frame) -> None:
        if scheduler:
            scheduler.show(frame)

    with Frame(NAME, realm_home.locks, interval_s=INTERVAL, on_heartbeat=show) as frame:
        frame.tick("load")
        realm_home.sweep()
        try:
            scheduler = Scheduler(realm_home, frame, worker, port)
        except (DamagedHistory, SkillError) as error:
            frame.log("cannot-start", reason=error)
            raise SystemExit(CANNOT_START) from None
        scheduler.run()


if __name__ == "__main__":
    main(chosen_home())
