"""The middle of `realm watch`: how the battle stands, in bars, numbers and a curve."""

from collections.abc import Iterator

import click

from realm.cli import figures
from realm.cli.loss_chart import HIGHEST, curve, drawn
from realm.cli.status_report import Report
from realm.cli.terminal import GAP, bar, cells, padded, printable, shortened
from realm.cli.watch_lines import WIDE, dim, fitted, rule
from realm.cli.watch_scene import Scene
from realm.core.game import STEPS_PER_LEVEL
from realm.core.status import TrainingStatus

LABEL = 10  # cells before a bar
BESIDE_BAR, BESIDE_BAR_WIDE = 26, 42
FIGURE_LABEL, FIGURE = 14, 36  # cells of "learning rate", and of a column of such figures
CHART_LABEL = 9
ROOMY = 76  # cells, from which the curve's title names both its ends


def bars(scene: Scene, width: int) -> list[str]:
    """Nested: the quest, the day's quests, the level."""
    return [
        _quest_title(scene, width),
        _quest_bar(scene.report, width),
        _queue_bar(scene, width),
        _level_bar(scene.report, width),
    ]


def _quest_title(scene: Scene, width: int) -> str:
    now, battle = scene.report.training, scene.report.battle
    if now is None or now.quest is None:
        return rule("no quest yet" if scene.waiting else "no quest: drop a .jsonl file into inbox/", "", width)
    of = f" of about {battle.total_rounds:,}" if battle and battle.total_rounds else ""
    step = f"step {now.quest_step:,}{of}" if now.quest_step is not None else ""
    return rule(printable(now.quest), step, width)


def _quest_bar(report: Report, width: int) -> str:
    now = report.training
    if now is None or now.quest is None:
        return _bar("Quest", 0.0, "none", "green", width)
    right = f"{figures.percent(now.quest_progress)} · {time_left(now)}"
    return _bar("Quest", now.quest_progress or 0.0, right, "green", width)


def time_left(now: TrainingStatus) -> str:
    return f"{figures.span(now.eta_seconds)} left" if now.eta_seconds is not None else "time left unknown"


def _queue_bar(scene: Scene, width: int) -> str:
    """Of the quests that ended today or are still to be trained, those that are trained."""
    now = scene.report.training
    claimed = scene.report.queue["processing"] or 0
    unsealed = max(0, claimed - (1 if now and now.quest else 0))
    done, total = scene.ended_today + unsealed, scene.ended_today + claimed + scene.waiting
    sealing = f" · {unsealed:,} not sealed yet" if unsealed and width >= WIDE else ""
    return _bar("Queue", done / max(1, total), f"{done:,} of {total:,} quests today{sealing}", "blue", width)


def _level_bar(report: Report, width: int) -> str:
    done = (report.step or 0) % STEPS_PER_LEVEL
    right = f"{done:,} / {STEPS_PER_LEVEL:,} XP"
    speed = report.battle.rounds_per_second if report.battle else None
    if speed and width >= WIDE:
        right += f" · level {(report.level or 0) + 1:,} in {figures.span((STEPS_PER_LEVEL - done) / speed)}"
    return _bar("Level", done / STEPS_PER_LEVEL, right, "magenta", width)


def _bar(label: str, share: float, right: str, colour: str, width: int) -> str:
    beside = BESIDE_BAR_WIDE if width >= WIDE else BESIDE_BAR
    filled = click.style(bar(share, width - LABEL - len(GAP) - beside), fg=colour)
    return f"{dim(padded(label, LABEL))}{filled}{GAP}{shortened(right, beside)}"


def queue_counts(scene: Scene, width: int) -> str:
    report = scene.report
    waiting = ", ".join(f"{figures.number(report.queue[name])} {name}" for name in ("high", "normal", "low"))
    inbox = report.queue_watcher.inbox_files if report.queue_watcher else None
    others = [f"{inbox:,} in the inbox"] if inbox and report.daemons["queue-watcher"].progressing else []
    shown = shortened(" · ".join([f"waiting: {waiting}", *others]), width - LABEL - 16)
    failed = report.queue["failed"]
    end = click.style(f"{figures.number(failed)} failed", fg="red") if failed else dim("0 failed")
    return f"{' ' * LABEL}{dim(f'{shown} · ')}{end}"


def stats(report: Report, width: int) -> str:
    """The hero's own numbers, each with what it is made of."""
    now = report.training
    told = [
        _stat("ATK", _inverse(now.loss if now else None), "1 / loss", "red"),
        _stat("DEF", _inverse(now.validation_loss if now else None), "1 / val loss", "blue"),
        _stat("Gold", figures.number(report.gold), f"{figures.number(report.completed_quests)} quests", "yellow"),
    ]
    free = (width - sum(map(cells, told))) // (len(told) - 1)
    return fitted((" " * max(1, min(free, 8))).join(told), width)


def _stat(name: str, value: str, technical: str, colour: str) -> str:
    return f"{click.style(name, fg=colour, bold=True)} {click.style(value, bold=True)} {dim(technical)}"


def _inverse(loss: float | None) -> str:
    return figures.decimal(1 / loss if loss and loss > 0 else None, 2)


def measurements(report: Report, width: int) -> list[str]:
    """In as many columns as fit, read down."""
    known = list(_measured(report))
    columns = min(4, max(2, width // FIGURE))
    rows = -(-len(known) // columns)
    cell = width // columns
    lines = [known[row::rows] for row in range(rows)]
    return ["".join(padded(_figure(figure, cell - 1), cell) for figure in line).rstrip() for line in lines]


def _figure(figure: tuple[str, str, int | None], width: int) -> str:
    """The step at which it was measured is told if there is room."""
    label, value, step = figure
    told = f"{value} @ {step:,}" if step is not None else value
    shown = told if FIGURE_LABEL + cells(told) <= width else value
    return f"{dim(padded(label, FIGURE_LABEL))}{shown}"


def _measured(report: Report) -> Iterator[tuple[str, str, int | None]]:
    """Name, value, step."""
    now = report.training
    if now is None:
        return
    seal = now.last_seal
    unsealed = figures.span(now.unsealed_minutes * 60) if now.unsealed_minutes is not None else figures.UNKNOWN
    yield "loss", figures.decimal(now.loss), None
    yield "smoothed", figures.decimal(now.loss_ema), None
    yield "val loss", figures.decimal(now.validation_loss), now.validation_step
    yield "learning rate", figures.scientific(now.learning_rate), None
    yield "tokens/s", figures.number(now.tokens_per_second), None
    yield "MFU", figures.percent(now.mfu), None
    yield "unsealed", unsealed, None
    yield "last seal", figures.since(seal.at, report.at) if seal else figures.UNKNOWN, seal.step if seal else None


def loss_curve(scene: Scene, width: int, height: int) -> list[str]:
    """A title and so many lines less one."""
    if height < 2:
        return []
    found = curve(scene.losses, width - CHART_LABEL)
    if found is None:
        return [rule("Loss", "no step has been trained yet", width), *[""] * (height - 1)]
    steps = f"steps {found.first:,} to {found.last:,}" if width >= ROOMY else f"to step {found.last:,}"
    if height == 2:  # no room for the labels of the axis
        steps = f"{figures.decimal(found.low)} to {figures.decimal(found.high)}"
    newest = f"newest {figures.decimal(found.newest)}"
    highest = f"{HIGHEST} highest of {found.steps_per_column} steps · " if found.steps_per_column > 1 else ""
    beside = f"{highest if width >= WIDE else ''}{steps} · {newest}"
    title = "Loss, logarithmic" if found.is_logarithmic else "Loss"
    return [rule(title, beside, width), *drawn(found, height - 1, CHART_LABEL)]
