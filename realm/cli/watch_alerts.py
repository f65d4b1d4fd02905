"""What a person who watches must not overlook: old news, pauses and what became of them, problems."""

from collections.abc import Iterator
from typing import NamedTuple

from realm.cli import figures
from realm.cli.status_report import Asked, Report
from realm.cli.status_view import why_old
from realm.cli.terminal import printable
from realm.cli.watch_scene import Scene


class Alert(NamedTuple):
    text: str
    colour: str


def alerts(scene: Scene) -> Iterator[Alert]:
    """The most important first."""
    yield from _trainer(scene.report)
    yield from _asked(scene.report)
    if not scene.report.daemons["queue-watcher"].alive:
        yield Alert("the queue-watcher is down, so drops wait: `realm run queue-watcher`", "yellow")
    yield from (Alert(printable(problem), "red") for problem in scene.problems)


def _trainer(report: Report) -> Iterator[Alert]:
    trainer = report.daemons["trainer"]
    if trainer.age_s is None and not trainer.alive:
        yield Alert("no trainer has run here yet: `realm run trainer`", "yellow")
    elif trainer.age_s is None:
        yield Alert("the trainer starts, and has said nothing yet", "yellow")
    elif not trainer.progressing:
        yield Alert(f"{why_old(trainer)}: this is how it was", "red" if trainer.alive else "yellow")


def _asked(report: Report) -> Iterator[Alert]:
    for asked in report.paused_by:
        reason = f": {printable(asked.reason)}" if asked.reason else ""
        ago = figures.since(asked.at, report.at)
        yield Alert(f"{printable(asked.by)}{reason} ({ago}, {_what_became(report, asked)})", "yellow")
    trainer = report.daemons["trainer"]
    if not report.paused_by and trainer.progressing and trainer.state in ("paused", "stopped"):
        yield Alert("resumed; the trainer has not seen it yet", "yellow")
    for name in report.one_shots:
        yield Alert(f".{name} is sent, not obeyed yet", "yellow")


def _what_became(report: Report, asked: Asked) -> str:
    trainer, said = report.daemons["trainer"], report.training
    if not trainer.alive:
        return "obeyed when the trainer starts"
    if said and (said.state == "stopped" or (said.state == "paused" and _is_among(said.pause_reasons, asked))):
        return "obeyed"
    return "sent, not seen yet"


def _is_among(reasons: list[str], asked: Asked) -> bool:
    return any(reason == asked.by or reason.startswith(f"{asked.by}:") for reason in reasons)
