"""realm pause, resume, stop, skip, seal: what a person asks of the trainer, as flags under control/."""

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from realm.cli import figures
from realm.cli.failures import complete_home, one_sentence
from realm.cli.terminal import printable
from realm.core.control import Control, Flag, FlagName
from realm.core.paths import Home
from realm.core.status import StatusError, TrainingStatus, is_locked, read_status

# What the trainer does about it, by the state it was last in; "" stands for the others.
PAUSES = {"": "it pauses after this step, and seals", "paused": "it holds still", "stopped": ".stop beats .pause"}
STOPS = {"": "it seals after this step, releases the accelerator and waits", "stopped": "it waits"}
GOES_ON = {"": "training goes on"}
SKIPS = {"": "it ends its quest after this step", "stopped": "it ends its quest when it goes on"}
SEALS = {"": "it seals after this step", "stopped": "it has sealed"}


@click.command()
@click.argument("reason", nargs=-1)
def pause(reason: tuple[str, ...]) -> None:
    """Hold training still until `realm resume`; the model stays in memory. REASON is shown to others."""
    _raise_level("pause", " ".join(reason), PAUSES)


@click.command()
@click.argument("reason", nargs=-1)
def stop(reason: tuple[str, ...]) -> None:
    """Seal, release the accelerator, and wait until `realm resume`. REASON is shown to others."""
    _raise_level("stop", " ".join(reason), STOPS)


@click.command()
def resume() -> None:
    """Take .pause and .stop away, so that training goes on."""
    home = complete_home()
    control = Control(home)
    with one_sentence():
        lifted = control.resume()
        holds = control.holds()
    if lifted:
        click.echo(f"▶ {' and '.join(map(_shown, lifted))} {'is' if len(lifted) == 1 else 'are'} gone")
    else:
        click.echo("neither .pause nor .stop was there")
    for hold in holds:
        reason = f": {printable(hold.reason)}" if hold.reason else ""
        click.echo(f"a hold of {printable(hold.daemon)} stays{reason}; that daemon lifts it, or you with rm")
    _tell_of_trainer(home, GOES_ON if lifted and not holds else {})


@click.command()
def skip() -> None:
    """End the quest that is being trained; what was trained of it stays, without gold."""
    _raise_one_shot("skip", SKIPS)


@click.command()
def seal() -> None:
    """Make everything trained so far durable now."""
    _raise_one_shot("seal", SEALS)


def _raise_level(name: FlagName, reason: str, effects: Mapping[str, str]) -> None:
    home = complete_home()
    control = Control(home)
    with one_sentence():
        earlier = control.flag(name)
        control.raise_flag(name, reason)
    if earlier:
        click.echo(f"{_shown(earlier)} was there already, placed {figures.since(earlier.placed_at, datetime.now(UTC))}")
    else:
        click.echo(f"⏸ .{name} is placed{f': {printable(reason)}' if reason else ''}; `realm resume` takes it away")
    _tell_of_trainer(home, effects)


def _raise_one_shot(name: FlagName, effects: Mapping[str, str]) -> None:
    home = complete_home()
    was_there = (home.control / f".{name}").exists()
    with one_sentence():
        Control(home).raise_flag(name)
    click.echo(f".{name} was there already, not obeyed yet" if was_there else f"✋ .{name} is placed")
    _tell_of_trainer(home, effects)


def _shown(flag: Flag) -> str:
    return f".{flag.name}{f' ({printable(flag.reason)})' if flag.reason else ''}"


def _tell_of_trainer(home: Home, effects: Mapping[str, str]) -> None:
    """What the trainer's status says about it now."""
    with one_sentence(StatusError):
        said = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
        alive = is_locked(home.locks / "trainer.lock")
    if not alive:
        click.echo("The trainer is not running; it obeys when it starts: `realm run trainer`")
    elif said is None:
        click.echo("The trainer starts, and has said nothing yet")
    else:
        click.echo(_words_of(said, effects))


def _words_of(said: TrainingStatus, effects: Mapping[str, str]) -> str:
    ago = figures.since(said.heartbeat_at, datetime.now(UTC))
    at = f" at step {said.step:,}" if said.step is not None else ""
    quest = f" of {said.quest}" if said.quest else ""
    effect = effects.get(said.state, effects.get("", ""))
    if effects is SKIPS and said.quest is None:
        effect = "no quest is being trained, so none ends"
    return f"The trainer said {ago}: {said.state}{at}{quest}{effect and f'; {effect}'}"
