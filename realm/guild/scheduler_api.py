"""The scheduler over HTTP, on loopback. Every answer is read from files; every wish becomes one.

GET    /health                 {"status": "ok"}
GET    /api/status             the scheduler's status document
GET    /api/tasks?state=&limit=  tasks, newest last
GET    /api/tasks/<id>         one task, with its result
POST   /api/tasks              {"kind": "exam", "urgency": "normal", "arguments": {checkpoint, skill, level}} -> 201
DELETE /api/tasks/<id>         cancels a waiting task
GET    /api/curriculum?count=  the next batches; nothing moves
"""

from typing import Annotated, Any

import bottle
import msgspec
from msgspec import Meta, Struct, to_builtins
from msgspec.structs import replace

from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.config import ConfigError, load_config
from realm.core.history import DamagedHistory
from realm.core.loopback import answer, content, json_app, number, refusal
from realm.core.paths import Home
from realm.core.status import SchedulerStatus, read_status
from realm.guild.annals import Dispatched, read_annals
from realm.guild.curriculum import NothingToTeach, preview, taught
from realm.guild.examiner import EXAM
from realm.guild.progression import standing
from realm.guild.skills import SkillError, get_skill, list_skills
from realm.guild.tasks import STATES, Task, TaskError, TaskQueue, TaskText

MOST_TASKS = 1000
MOST_DECISIONS = 100


class ExamArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What an exam task is about."""

    checkpoint: str
    skill: str
    level: Annotated[int, Meta(ge=1)]


class SchedulerApi:
    """Holds nothing: each request looks at the files as they are."""

    def __init__(self, home: Home):
        self._home = home
        self._tasks = TaskQueue(home)
        self.app = json_app()
        self.app.get("/health", callback=lambda: answer({"status": "ok"}))
        self.app.get("/api/status", callback=self._status)
        self.app.get("/api/tasks", callback=self._list)
        self.app.get("/api/tasks/<task_id>", callback=self._show)
        self.app.post("/api/tasks", callback=self._submit)
        self.app.delete("/api/tasks/<task_id>", callback=self._cancel)
        self.app.get("/api/curriculum", callback=self._curriculum)

    def _status(self) -> bottle.HTTPResponse:
        return answer(read_status(self._home.status / SchedulerStatus.FILE, SchedulerStatus))

    def _list(self) -> bottle.HTTPResponse:
        state = bottle.request.query.get("state")
        if state not in (None, *STATES):
            raise refusal(400, f"state is {state[:40]!r}: choose {', '.join(STATES)}")
        limit = number("limit", 100, 1, MOST_TASKS)
        tasks = list(self._tasks.all(*([state] if state else ())))
        return answer({"tasks": [_shown(task) for task in tasks[-limit:]], "count": len(tasks)})

    def _show(self, task_id: str) -> bottle.HTTPResponse:
        return answer(_shown(self._found(task_id)))

    def _submit(self) -> bottle.HTTPResponse:
        text = content(TaskText)
        if text.kind != EXAM:
            raise refusal(400, f"kind is {text.kind!r}: the scheduler knows exam")
        if text.submitted_at:
            raise refusal(400, "submitted_at is the scheduler's to state: leave it out")
        self._check_exam(text)
        return answer(_shown(self._tasks.submit(replace(text, submitted_by="person"))), 201)

    def _check_exam(self, text: TaskText) -> None:
        """Raises a refusal with 400, 404 or 409."""
        try:
            exam = msgspec.convert(text.arguments, ExamArguments)
            skill = get_skill(exam.skill)
        except (msgspec.ValidationError, SkillError) as error:
            raise refusal(400, f"arguments: {error}") from None
        if exam.level > skill.max_level:
            raise refusal(400, f"level is {exam.level}: {skill.id} has {skill.max_level}")
        names = {record.canonical_name for record in CheckpointLedger(self._home.current_model).list_all()}
        if exam.checkpoint not in names:
            raise refusal(404, f"{exam.checkpoint[:80]!r} is no checkpoint in the ledger")
        waiting = [task.id for task in self._tasks.all() if task.text.arguments == text.arguments]
        if waiting:
            raise refusal(409, f"task {waiting[0]} is the same exam")

    def _cancel(self, task_id: str) -> bottle.HTTPResponse:
        self._found(task_id)
        try:
            return answer(_shown(self._tasks.cancel(task_id)))
        except (TaskError, FileNotFoundError) as error:
            raise refusal(409, str(error)) from None

    def _found(self, task_id: str) -> Task:
        try:
            return self._tasks.find(task_id)
        except TaskError as error:
            raise refusal(404, str(error)) from None

    def _curriculum(self) -> bottle.HTTPResponse:
        count = number("count", 10, 1, MOST_DECISIONS)
        try:
            settings = load_config(self._home.config_file).curriculum
            lines = list(read_annals(self._home))
            standings = {skill: standing(get_skill(skill), lines) for skill in list_skills()}
            before = [line for line in lines if isinstance(line, Dispatched)]
            decisions = preview(count, len(before), settings, standings, taught(before))
        except (ConfigError, DamagedHistory, NothingToTeach, SkillError) as error:
            raise refusal(409, str(error)) from None
        return answer({"enabled": settings.enabled, "decisions": to_builtins(decisions)})


def _shown(task: Task) -> dict[str, Any]:
    result = task.result
    return {
        "id": task.id,
        "state": task.state,
        "attempts": task.attempts,
        **to_builtins(task.text),
        "result": to_builtins(result) if result else None,
    }
