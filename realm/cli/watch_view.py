"""What `realm watch` draws: one frame, made for the terminal's size. Old news is grey, as in `realm status`."""

import click

from realm.cli import figures
from realm.cli.events import LONGEST_KIND, sign_of
from realm.cli.status_report import Daemon, Report
from realm.cli.status_view import STATE_COLOURS
from realm.cli.terminal import GAP, bar, cells, icon, padded, printable, shortened, wrapped
from realm.cli.watch_alerts import alerts
from realm.cli.watch_battle import bars, loss_curve, measurements, queue_counts, stats, time_left
from realm.cli.watch_lines import WIDE, between, dim, grey, rule
from realm.cli.watch_scene import Scene
from realm.core.events import Event

NARROWEST = 60  # columns; below them a list of the chief numbers
MARGIN = 1  # cell on each side
TALLEST_CHART = 17  # rows with its title
SHOWN_PHASES = ("load", "compile", "seal")  # they tell why no step is trained
AGO = 8  # cells of "59 m ago"


def view(scene: Scene, width: int, height: int, keys: str) -> list[str]:
    """`height` lines of less than `width` cells; the last of them tells the keys."""
    room, rows = max(1, width - 2 * MARGIN), max(0, height - 1)
    body = _whole(scene, room, rows) if width >= NARROWEST else _small(scene, room)
    filled = [*body, *[""] * (rows - len(body))][:rows]
    clock = dim(f"{scene.report.at.astimezone():%H:%M:%S}")
    return [" " * MARGIN + line for line in [*filled, between(keys, clock, room)]]


def _whole(scene: Scene, width: int, height: int) -> list[str]:
    """What matters most takes its rows first; chart and events share what is left."""
    report = scene.report
    warnings = _warnings(scene, width, max(2, height // 5))
    progress, numbers = bars(scene, width), [stats(report, width), *measurements(report, width)]
    left = height - 1 - len(warnings) - len(progress) - len(numbers)
    home = [_home(report, width)] if left >= 9 else []
    queue = [queue_counts(scene, width)] if left >= 10 else []
    left -= len(home) + len(queue)
    wanted = min(max(1, len(scene.events)) + 1, max(2, left // 2))  # rows for events, with their title
    chart = max(0, min(left - wanted, TALLEST_CHART))
    battle = [*progress, *queue, *numbers, *loss_curve(scene, width, chart)]
    return [
        _header(scene, width),
        *home,
        *warnings,
        *(battle if report.daemons["trainer"].progressing else map(grey, battle)),
        *_events(scene, width, left - chart),
    ]


def _small(scene: Scene, width: int) -> list[str]:
    """For a terminal that is too narrow for bars with words beside them."""
    report, now = scene.report, scene.report.training
    state, colour = _state(report)
    battle = [f"{figures.number(report.step)} XP · {figures.number(report.gold)} gold · {scene.waiting:,} wait"]
    if now:
        battle.append(f"loss {figures.decimal(now.loss)} · val {figures.decimal(now.validation_loss)}")
        battle.append(f"{figures.number(now.tokens_per_second)} tokens/s")
    if now and now.quest:
        battle.append(printable(now.quest))
        battle.append(bar(now.quest_progress or 0.0, width))
        battle.append(f"{figures.percent(now.quest_progress)} · {time_left(now)}")
    lines = [shortened(line, width) for line in battle]
    return [
        click.style(shortened(f"{_level(report)} · {state}", width), fg=colour, bold=True),
        *_warnings(scene, width, 3),
        *(lines if report.daemons["trainer"].progressing else map(dim, lines)),
    ]


def _header(scene: Scene, width: int) -> str:
    hero = scene.hero
    name = f"{icon(hero.icon, MARGIN + 4)}{click.style(hero.name, bold=True)} {dim(hero.title)}" if hero else "no hero"
    word, colour = _state(scene.report)
    state = click.style(f"● {word}", fg=colour, bold=True)
    return between(f"{name} · {click.style(_level(scene.report), bold=True)}", state, width)


def _home(report: Report, width: int) -> str:
    others = [(name, daemon) for name, daemon in report.daemons.items() if name != "trainer"]
    words = [f"{name} {_word(daemon)[0]}" for name, daemon in others if daemon.alive or daemon.age_s is not None]
    heard = report.daemons["trainer"].age_s
    told = [f"trainer heard {figures.age(heard)} ago"] if heard is not None and heard >= 0 else []
    right = " · ".join([*told, *words])
    return dim(between(shortened(printable(report.home), width - cells(right) - len(GAP)), right, width))


def _level(report: Report) -> str:
    return f"Level {report.level or 0}"


def _state(report: Report) -> tuple[str, str]:
    """The trainer's state in a word, and its colour."""
    word, colour = _word(report.daemons["trainer"])
    if report.battle and word.startswith("working"):
        word = printable(report.battle.battle_state) + word.removeprefix("working")
    return word, colour


def _word(daemon: Daemon) -> tuple[str, str]:
    if not daemon.alive:
        return "down", "red"
    if daemon.age_s is None:
        return "starting", "yellow"
    if daemon.is_silent:
        return "silent", "yellow"
    if not daemon.progressing:
        return "hangs", "red"
    state, phase = daemon.state or "", f" · {daemon.phase}" if daemon.phase in SHOWN_PHASES else ""
    return printable(state) + phase, STATE_COLOURS.get(state, "white")


def _warnings(scene: Scene, width: int, most: int) -> list[str]:
    lines = [
        click.style(shortened(line, width), fg=alert.colour)
        for alert in alerts(scene)
        for line in wrapped(alert.text, 2, width=width).split("\n")
    ]
    if len(lines) > most:
        lines[most - 1 :] = [dim(shortened("… `realm status` tells the rest", width))]
    return lines


def _events(scene: Scene, width: int, height: int) -> list[str]:
    if height < 2:
        return []
    newest = scene.events[-(height - 1) :]
    lines = [_event(scene.report, event, width) for event in newest] or [dim("nothing has happened here yet")]
    return [rule("Events", "", width), *lines]


def _event(report: Report, event: Event, width: int) -> str:
    begin = AGO + len(GAP)
    kind = padded(printable(event.kind), LONGEST_KIND) + GAP if width >= WIDE else ""
    text = shortened(printable(event.text), width - begin - 3 - cells(kind))
    when = padded(figures.since(event.at, report.at), AGO, ">")
    return f"{dim(when)}{GAP}{icon(sign_of(event), MARGIN + begin + 4)}{dim(kind)}{text}"
