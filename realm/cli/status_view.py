"""What `realm status` prints: what is known, how old it is, and what is wrong. Old news is grey and says its age."""

from collections.abc import Iterable, Iterator

import click

from realm.cli import figures
from realm.cli.status_report import Asked, Daemon, Report
from realm.cli.terminal import bar, cells, columns, padded, printable, shortened, wrapped
from realm.core.game import STEPS_PER_LEVEL
from realm.core.status import QueueWatcherStatus, TrainingStatus

LABEL = 15  # cells of the left column
STATE = 22  # cells for "was stopping · waiting"
BESIDE_BAR = 35  # cells for "  999 / 1,000 XP · 12,345,678 steps"
PIPE_WIDTH = 80
NARROWEST, WIDEST = 60, 120
STATE_COLOURS = {"working": "green", "idle": "cyan", "paused": "yellow", "stopped": "yellow", "waiting": "red"}
SHOWN_COUNTS = {
    "high": "high",
    "normal": "normal",
    "low": "low",
    "processing": "processing",
    "recently_completed": "completed",
    "failed": "failed",
}


def view(report: Report) -> Iterator[str]:
    """The lines to print."""
    root, version = printable(report.home), f"format {report.format} · realm {report.version}"
    room = columns()
    between = "\n" if room and cells(f"{root}  {version}") > room else "  "
    yield f"{click.style(root, bold=True)}{between}{click.style(version, dim=True)}"
    yield ""
    for name, daemon in report.daemons.items():
        yield _row(name, _daemon(daemon))
    yield ""
    yield from _battle(report)
    yield ""
    yield from _queue(report)
    yield from _totals(report)
    yield from _skills(report)
    yield from _oracle(report)
    yield from _asked(report)
    yield from _problems(report)


# Daemons


def _daemon(daemon: Daemon) -> str:
    colour = "green" if daemon.progressing else "yellow" if daemon.alive else "red"
    life = click.style("alive" if daemon.alive else "down ", fg=colour)
    if daemon.age_s is None:
        return f"{life}  {_dim('no word yet' if daemon.alive else 'has not run here yet')}"
    doing = printable(f"{daemon.state} · {daemon.phase}")
    if not daemon.alive:
        return f"{life}  {_dim(padded(f'was {doing}', STATE))}  {_dim(_no_word(daemon))}"
    colour = STATE_COLOURS.get(daemon.state or "", "white")
    return f"{life}  {click.style(padded(doing, STATE), fg=colour)}  {_voice(daemon)}"


def _voice(daemon: Daemon) -> str:
    if daemon.is_silent:
        return click.style(_no_word(daemon), fg="yellow")
    if daemon.progressing:
        return _dim(f"heard {figures.age(daemon.age_s)} ago")
    lasted, limit = figures.age(daemon.phase_s), figures.age(daemon.phase_limit_s)
    return click.style(f"hangs: this {daemon.phase} has lasted {lasted}, its limit is {limit}", fg="red")


def _no_word(daemon: Daemon) -> str:
    if daemon.age_s is not None and daemon.age_s < 0:
        return f"its last word is {figures.age(-daemon.age_s)} in the future: was the clock set back?"
    return f"no word for {figures.age(daemon.age_s)}"


# The battle


def _battle(report: Report) -> Iterator[str]:
    training, trainer = report.training, report.daemons["trainer"]
    lines = [*_level(report), *(_numbers(report, training) if training else ())]
    if training is None or trainer.progressing:
        yield from lines
        return
    yield _dim(_row("", f"{why_old(trainer)}: this is how it was"))
    yield from (_dim(click.unstyle(line)) for line in lines)


def why_old(trainer: Daemon) -> str:
    if not trainer.alive:
        return f"the trainer is down, {_no_word(trainer)}"
    return f"{_no_word(trainer)} from the trainer" if trainer.is_silent else "the trainer hangs"


def _level(report: Report) -> Iterator[str]:
    step = report.step
    if step is None:
        yield _row("Level 0", _dim("no step has been trained yet"))
        return
    level, done = divmod(step, STEPS_PER_LEVEL)
    right = f"{done} / {STEPS_PER_LEVEL:,} XP · {step:,} steps"
    yield _row(f"Level {level}", _bar(done / STEPS_PER_LEVEL, right, "magenta"), bold=True)
    if report.training is None or report.training.step is None:
        yield _row("", _dim("of the newest checkpoint, as the trainer has not said its step"))


def _numbers(report: Report, now: TrainingStatus) -> Iterator[str]:
    if now.quest:
        eta = f"{figures.span(now.eta_seconds)} left" if now.eta_seconds is not None else "time left unknown"
        yield _row("Quest", _bar(now.quest_progress or 0.0, f"{figures.percent(now.quest_progress)} · {eta}", "green"))
        step = f" · step {figures.number(now.quest_step)}"
        yield _row("", f"{_name(now.quest, beside=step)}{_dim(step)}")
    else:
        yield _row("Quest", _dim("none"))
    yield ""
    validation = _dim(f"@ {now.validation_step:,}") if now.validation_step is not None else ""
    mean = _dim(f"smoothed {figures.decimal(now.loss_ema)}") if now.loss_ema is not None else ""
    mfu = _dim(f"MFU {figures.percent(now.mfu)}") if now.mfu is not None else ""
    yield _pair("loss", figures.decimal(now.loss), mean, "tokens/s", figures.number(now.tokens_per_second), mfu)
    unsealed = figures.span(now.unsealed_minutes * 60) if now.unsealed_minutes is not None else figures.UNKNOWN
    yield _pair("val loss", figures.decimal(now.validation_loss), validation, "unsealed", unsealed, "")
    seal = f"step {now.last_seal.step:,}" if now.last_seal else figures.UNKNOWN
    sealed_at = _dim(figures.since(now.last_seal.at, report.at)) if now.last_seal else ""
    yield _pair("learning rate", figures.scientific(now.learning_rate), "", "last seal", seal, sealed_at)
    if now.seals_of_a_day:
        written, allowed = now.seals_of_a_day.written, now.seals_of_a_day.allowed
        yield _pair("", "", "", "in 24 h", figures.size(written), _dim(f"of {figures.size(allowed)}"))


def _bar(share: float, right: str, colour: str) -> str:
    return f"{click.style(bar(share, _width() - LABEL - BESIDE_BAR), fg=colour)}  {right}"


def _pair(label: str, value: str, beside: str, other: str, other_value: str, other_beside: str) -> str:
    half = _width() // 2
    left = _row(label, f"{value}  {beside}".rstrip())
    right = f"{_dim(padded(other, 11))}{other_value}  {other_beside}".rstrip()
    return f"{padded(left, half)}{right}"


# The rest


def _queue(report: Report) -> Iterator[str]:
    counts = [
        click.style(text, dim=not count, fg="red" if state == "failed" and count else None)
        for state, shown in SHOWN_COUNTS.items()
        for count in [report.queue.get(state)]
        for text in [f"{shown} {figures.number(count)}"]
    ]
    yield _row("Queue", _list(counts))
    watcher = report.queue_watcher
    if watcher and watcher.inbox_files and report.daemons["queue-watcher"].progressing:
        yield _row("", _inbox(watcher))
    for index, name in enumerate(report.next):
        yield _row("" if index else "  next", _name(name))


def _inbox(watcher: QueueWatcherStatus) -> str:
    unfinished = f", {watcher.inbox_being_written:,} not finished" if watcher.inbox_being_written else ""
    return f"inbox {watcher.inbox_files:,}{unfinished}"


def _totals(report: Report) -> Iterator[str]:
    is_old = not report.daemons["trainer"].progressing
    totals = report.training.totals if report.training else None
    trained = [f"{totals.tokens:,} tokens", f"{totals.examples:,} examples"] if totals else []
    quests = f"{figures.number(report.completed_quests)} quests completed"
    gold = click.style(f"{figures.number(report.gold)} gold", fg="yellow")
    yield _row("Totals", _list([*(click.style(one, dim=is_old) for one in trained), quests, gold]))
    if report.battle and report.battle.hero_checkpoint:
        yield _row("Checkpoint", click.style(printable(report.battle.hero_checkpoint), dim=is_old))


def _skills(report: Report) -> Iterator[str]:
    said = report.scheduler
    for index, (skill, now) in enumerate(said.skills.items() if said and said.exams else ()):
        window = " ".join(figures.percent(accuracy) for accuracy in now.window) or "not examined yet"
        fallen = f", fell: {', '.join(map(str, now.regressed))}" if now.regressed else ""
        text = f"{printable(skill)} trains level {now.training_level} of {now.max_level} ({window}){fallen}"
        yield _row("" if index else "Skills", click.style(text, dim=not report.daemons["scheduler"].progressing))


def _oracle(report: Report) -> Iterator[str]:
    said = report.oracle
    if said is None or not report.daemons["oracle"].alive:
        return
    if said.upstream:
        text = f"{said.upstream} {'answers' if said.upstream_answers else 'does not answer'}"
    else:
        held = sum(one.bytes + one.cache_bytes for one in said.models)
        names = [one.name + (f" (answers {one.answering})" if one.answering else "") for one in said.models]
        memory = [f"{figures.size(held)} of {figures.size(said.budget_bytes)}"] if names else ["no model in memory"]
        loading = [f"loads {said.loading.name}"] if said.loading else []
        text = " · ".join([*names, *memory, *loading])
    shown = wrapped(printable(text), LABEL, between=" · ")
    yield _row("Oracle", click.style(shown, dim=not report.daemons["oracle"].progressing))


def _asked(report: Report) -> Iterator[str]:
    for index, asked in enumerate(report.paused_by):
        yield _row("" if index else "Paused by", _reason(report, asked), fg="yellow")
    if report.one_shots:
        shown = " and ".join(f".{name}" for name in report.one_shots)
        yield _row("Asked for", f"{shown}, not obeyed yet", fg="yellow")


def _reason(report: Report, asked: Asked) -> str:
    reason = f": {printable(asked.reason)}" if asked.reason else ""
    return wrapped(f"{printable(asked.by)}{reason} ({figures.since(asked.at, report.at)})", LABEL)


def _problems(report: Report) -> Iterator[str]:
    for index, problem in enumerate(report.problems):
        text = wrapped(printable(problem), LABEL)
        yield _row("" if index else "Problems", click.style(text, fg="red"), fg="red")


# How a line looks


def _row(label: str, value: str, *, bold: bool | None = None, fg: str | None = None) -> str:
    return f"{click.style(padded(label, LABEL), bold=bold, fg=fg)}{value}".rstrip()


def _name(quest: str, beside: str = "") -> str:
    width = columns()
    return shortened(printable(quest), width - LABEL - cells(beside) if width else None)


def _list(items: Iterable[str]) -> str:
    return wrapped(" · ".join(items), LABEL, between=" · ")


def _dim(text: str) -> str:
    return click.style(text, dim=True) if text else text


def _width() -> int:
    return max(NARROWEST, min(columns() or PIPE_WIDTH, WIDEST))
