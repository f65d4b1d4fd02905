"""A battle as seen in a terminal: one line that moves, or one line every few seconds in a pipe."""

import sys
import time

import click

from realm.arena.battle.mask import BrokenMask
from realm.arena.battle.specs import BadLine
from realm.armory.heroes import HeroError
from realm.armory.quiet import silence_transformers
from realm.scrolls.train import BattleFailed, Plan, Progress, train

BAR = 24  # characters
PIPE_INTERVAL = 10.0  # seconds between lines when nobody watches


class BattleView:
    """Prints progress; speed and time left come from this run alone."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.printed = 0.0
        self.tokens = 0
        self.validation_loss: float | None = None
        self.live = sys.stdout.isatty()

    def show(self, progress: Progress) -> None:
        self.tokens += progress.result.tokens
        if progress.validation_loss is not None:
            self.validation_loss = progress.validation_loss
        now = time.monotonic()
        if now - self.printed < (0.1 if self.live else PIPE_INTERVAL) and progress.share < 1:
            return
        self.printed = now
        line = self._line(progress, now - self.began)
        click.echo(f"\r\x1b[K{line}" if self.live else line, nl=not self.live)

    def _line(self, progress: Progress, elapsed: float) -> str:
        full = round(BAR * progress.share)
        left = elapsed / progress.share * (1 - progress.share) if progress.share else 0.0
        validation = f" · val {self.validation_loss:.4f}" if self.validation_loss is not None else ""
        return (
            f"[{'█' * full}{'·' * (BAR - full)}] {progress.share:4.0%} · step {progress.step:,}"
            f" · loss {progress.result.loss:.4f}{validation} · lr {progress.result.learning_rate:.2e}"
            f" · {self.tokens / elapsed:,.0f} tokens/s · {_clock(left)} left"
        )


def fight(plan: Plan) -> None:
    """Runs the plan and tells how it went; every expected failure is one sentence, not a traceback."""
    silence_transformers()
    view = BattleView()
    try:
        victory = train(plan, view.show)
    except (BadLine, BrokenMask, BattleFailed, HeroError, ValueError, FileExistsError) as error:
        if view.live:
            click.echo()
        raise click.ClickException(str(error)) from None
    if view.live:
        click.echo()
    for announcement in victory.announcements:
        click.echo(f"note: {announcement}")
    counts = victory.counts
    click.echo(
        f"{counts.trained:,} examples, {victory.tokens:,} tokens in {_clock(victory.seconds)}"
        f" ({counts.held_out:,} lines held out, {counts.overlong:,} over-long dropped, {counts.truncated:,} truncated)"
    )
    click.echo(f"checkpoint: {victory.folder}")
    click.echo(f"weights SHA-256: {victory.record.manifest['model.safetensors']}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
