"""realm watch: the battle on one screen, for as long as one looks."""

import shutil
import sys
from datetime import UTC, datetime

import click

from realm.cli.ascii_form import in_encoding
from realm.cli.failures import complete_home, one_sentence, sentence
from realm.cli.screen import full_screen
from realm.cli.terminal import echo_lines
from realm.cli.watch_scene import Scene, Watcher
from realm.cli.watch_view import view
from realm.core.control import Control, FlagName
from realm.core.paths import Home, HomeError

NO_TERMINAL = (
    "`realm watch` draws on a terminal, and this is none:"
    " `realm status --json` and `realm events --follow` are made for programs"
)


@click.command()
@click.option("--every", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Print one frame and end; also into a pipe.")
def watch(every: float, once: bool) -> None:
    """The battle on one screen, until q or Ctrl-C."""
    home = complete_home()
    if not once and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.ClickException(NO_TERMINAL)
    with one_sentence(HomeError):
        if once:
            width, height = shutil.get_terminal_size()
            lines = view(Watcher(home).look(datetime.now(UTC)), width, height - 1, "")  # a prompt follows
            echo_lines(in_encoding(lines, sys.stdout.encoding))
        else:
            _watch(home, every)


def _watch(home: Home, every: float) -> None:
    watcher, hand = Watcher(home), Hand(Control(home))
    colourless = click.get_current_context().color is False
    try:
        with full_screen() as screen:
            while not hand.has_quit:
                scene = watcher.look(datetime.now(UTC))
                width, height = screen.size
                lines = in_encoding(view(scene, width, height, hand.offer(scene)), sys.stdout.encoding)
                screen.draw([click.unstyle(line) for line in lines] if colourless else lines)
                for key in screen.keys(every):
                    hand.press(key, scene)
    except (KeyboardInterrupt, EOFError):
        return


class Hand:
    """What a person does by key: the same files as `realm pause`, `realm resume` and `realm skip` make."""

    def __init__(self, control: Control):
        self.has_quit = False
        self._control = control
        self._asks_to_skip = False
        self._note = ""  # about the last key

    def offer(self, scene: Scene) -> str:
        """The keys, or what is asked, or what came of the last key."""
        if self._asks_to_skip:
            return click.style("skip this quest? what was trained of it stays   y yes   other keys: no", fg="yellow")
        if self._note:
            return click.style(self._note, fg="yellow")
        hold = "resume" if _is_held(scene) else "pause"
        keys = {"q": "quit", "p": hold, **({"s": "skip"} if _quest(scene) else {})}
        return "   ".join(f"{click.style(key, bold=True)} {click.style(what, dim=True)}" for key, what in keys.items())

    def press(self, key: str, scene: Scene) -> None:
        confirms, self._asks_to_skip, self._note = self._asks_to_skip, False, ""
        if confirms:
            if key == "y":
                self._raise("skip")
        elif key == "q":
            self.has_quit = True
        elif key == "p":
            self._resume() if _is_held(scene) else self._raise("pause")
        elif key == "s" and _quest(scene):
            self._asks_to_skip = True

    def _raise(self, flag: FlagName) -> None:
        try:
            self._control.raise_flag(flag)
        except OSError as error:
            self._note = sentence(error)

    def _resume(self) -> None:
        try:
            self._control.resume()
        except OSError as error:
            self._note = sentence(error)


def _is_held(scene: Scene) -> bool:
    """By a person: what daemons hold, they lift themselves."""
    return any(asked.by in (".pause", ".stop") for asked in scene.report.paused_by)


def _quest(scene: Scene) -> str | None:
    return scene.report.training.quest if scene.report.training else None
