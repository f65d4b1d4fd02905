"""What `realm up` shows: where to look, what happens, and how the battle stands, in a line that moves on a terminal."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import click

from realm.cli import figures
from realm.cli.events import event_files, news, sign_of
from realm.cli.terminal import bar, cells, columns, fields, icon, printable, wrapped
from realm.core.address import url_of
from realm.core.config import ConfigError, load_config
from realm.core.events import Event
from realm.core.game import STEPS_PER_LEVEL
from realm.core.jsonl import Position, end_of
from realm.core.paths import Home
from realm.core.status import StatusError, TrainingStatus, read_status

BAR = 12  # cells
FEW = 3  # more of one kind in one look are told in one line
BEGIN = 14  # cells before an event's text: time and icon
PIPE_SECONDS = 10.0  # between two lines on the battle where no terminal can show a moving one


class View:
    """Lines of several threads, one below the other, the moving one always last."""

    def __init__(self, home: Home):
        self._home = home
        self._positions: dict[Path, Position] = {path: end_of(path) for path in event_files(home.events)}
        self._lock = threading.Lock()
        self._live = sys.stdout.isatty()
        self._battle = ""
        self._began = datetime.now(UTC)
        self._battle_due = time.monotonic() + PIPE_SECONDS

    def welcome(self) -> None:
        """Before the daemons start."""
        realm = f"{_as_called()} --home {self._home.root}"
        places = [
            *_servers(self._home, realm),
            ("drop zone", f"cp FILE.jsonl {self._home.inbox}/"),
            ("watch", f"{realm} watch"),
            ("status", f"{realm} status"),
            ("pause", f"{realm} pause, {realm} resume"),
            ("logs", str(self._home.logs)),
            ("end", "Ctrl-C: the hero goes on at this step at the next start"),
        ]
        self._print([f"🏰 {printable(str(self._home.root))}", *fields(places), ""])

    def farewell(self) -> None:
        """After the last of them."""
        self._battle = ""
        self._print(["all daemons have ended"])

    def note(self, text: str) -> None:
        """From any thread."""
        self._print([click.style(wrapped(f"{_time(datetime.now())}  {printable(text)}", BEGIN), fg="yellow")])

    def news(self) -> None:
        """What happened since the last call, and the battle as it stands."""
        self._print(list(_lines(news(self._home.events, self._positions, set()))))
        battle = _battle(self._home, self._began)
        if self._live:
            self._draw(battle)
        elif battle and time.monotonic() >= self._battle_due:
            self._battle_due = time.monotonic() + PIPE_SECONDS
            self._print([battle])

    def _print(self, lines: list[str]) -> None:
        if lines:
            with self._lock:
                below = [self._battle] if self._live else []
                click.echo(("\r\x1b[K" if self._live else "") + "\n".join([*lines, *below]), nl=not self._live)

    def _draw(self, battle: str) -> None:
        with self._lock:
            if battle == self._battle:
                return
            self._battle = battle
            click.echo(f"\r\x1b[K{battle}", nl=False)


def _servers(home: Home, realm: str) -> list[tuple[str, str]]:
    try:
        config = load_config(home.config_file)
    except ConfigError as error:
        return [("tavern", str(error))]
    return [("tavern", url_of(config.tavern)), ("oracle", f"{url_of(config.oracle)}/v1, {realm} oracle chat")]


def _as_called() -> str:
    """The command as a person in this folder can type it."""
    return "realm" if shutil.which("realm") else sys.argv[0]


def _lines(events: list[Event]) -> Iterator[str]:
    """Many of one kind at once become one line."""
    for _, alike in groupby(events, key=lambda event: event.kind):
        first, *more = alike
        if len(more) < FEW:
            yield from (_line(event, event.text) for event in (first, *more))
        else:
            yield _line(more[-1], f"{more[-1].text}, and {len(more)} more like it")


def _line(event: Event, text: str) -> str:
    time_of_day = click.style(_time(event.at), dim=True)
    return f"{time_of_day}  {icon(sign_of(event), BEGIN)}{wrapped(printable(text), BEGIN)}"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"


def _battle(home: Home, since: datetime) -> str:
    """One line, what matters least left out where the terminal is narrow; empty until this trainer has spoken."""
    try:
        now = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
    except (OSError, StatusError):
        return ""
    if now is None or now.step is None or now.heartbeat_at < since:
        return ""
    level, points = divmod(now.step, STEPS_PER_LEVEL)
    quest = f"quest {bar(now.quest_progress or 0.0, BAR)} {figures.percent(now.quest_progress)}" if now.quest else ""
    speed = f"{figures.number(now.tokens_per_second)} tokens/s" if now.tokens_per_second else ""
    line = f"{now.state} · Level {level} · {points}/{STEPS_PER_LEVEL:,} XP"
    for part in (quest, f"loss {figures.decimal(now.loss)}", f"{figures.number(now.quests_waiting)} waiting", speed):
        longer = f"{line} · {part}" if part else line
        if cells(longer) < (columns() or sys.maxsize):
            line = longer
    return line
