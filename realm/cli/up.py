"""realm up: all daemons in the foreground, for machines and people without systemd."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from realm.cli import up_view
from realm.cli.failures import complete_home
from realm.cli.run import DAEMONS
from realm.cli.supervisor import Supervisor
from realm.core.paths import Home

POLL = 0.25  # seconds between looks at the daemons and their news


@click.command()
def up() -> None:
    """Run all daemons in the foreground; Ctrl-C brings them to a clean end.

    One that ends by itself is started again. Their full logs are in logs/, and what happens is told here. A second
    Ctrl-C ends them at once, which loses nothing: the next start recovers. Exit status: 0 they were told to end, 75 one
    of them runs already, 78 a file must be mended first.
    """
    run_all(complete_home())


def run_all(home: Home) -> None:
    """Until SIGINT or SIGTERM. Raises SystemExit with a daemon's status if it cannot run."""
    view = up_view.View(home)
    view.welcome()
    with _stop_signals() as asked:
        supervisor = Supervisor(home, DAEMONS, view.note)
        supervisor.start()
        try:
            _attend(supervisor, view, asked)
        finally:
            supervisor.end()  # whoever read our output may have gone
        view.farewell()
    if supervisor.failed:
        sys.exit(supervisor.failed)


def _attend(supervisor: Supervisor, view: up_view.View, asked: "_Asked") -> None:
    told = 0
    while supervisor.is_running:
        view.news()
        if asked.count > told:
            told = asked.count
            view.note("ending: the trainer seals what it has" if told == 1 else "ending at once")
            supervisor.end(at_once=told > 2)
        supervisor.look()
        asked.wait(POLL)


class _Asked:
    """How often somebody asked for the end."""

    def __init__(self) -> None:
        self.count = 0
        self._event = threading.Event()

    def once_more(self) -> None:
        self.count += 1
        self._event.set()

    def wait(self, seconds: float) -> None:
        if self._event.wait(seconds):
            self._event.clear()


@contextmanager
def _stop_signals() -> Iterator[_Asked]:
    asked = _Asked()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: asked.once_more())
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
