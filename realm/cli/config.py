"""realm config: what the realm runs with, and changes of it."""

from typing import Any

import click
import msgspec
from msgspec import UNSET

from realm.armory.heroes import HeroError
from realm.armory.settings import ChangedMeanwhile, Setting, Settings, UnknownKey
from realm.cli.failures import complete_home, one_sentence
from realm.cli.terminal import echo_json, echo_lines, printable, table
from realm.core.config import ConfigError
from realm.core.instance import AlreadyRunning

FORESEEN = (ConfigError, HeroError, UnknownKey, ChangedMeanwhile)


@click.group()
def config() -> None:
    """Settings: what the realm runs with, and changes of it.

    A rate or an interval takes effect at the next step, what shapes the examples at the next quest. A text editor on
    config.json does the same; this command refuses what is invalid before it is written.
    """


@config.command()
@click.argument("key", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def get(key: str | None, as_json: bool) -> None:
    """Show the effective value of KEY, or of every setting, and where it comes from."""
    with one_sentence(*FORESEEN):
        settings = Settings.read(complete_home())
        found = [settings.get(key)] if key else settings.effective()
    if as_json:
        echo_json(found[0]._asdict() if key else [setting._asdict() for setting in found])
    elif key:
        click.echo(_typed(found[0].value))
    else:
        _print(found, "value", lambda setting: _typed(setting.value))


@config.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def diff(as_json: bool) -> None:
    """Show what config.json changes, and what would hold without it."""
    with one_sentence(*FORESEEN):
        found = [one for one in Settings.read(complete_home()).effective() if one.value != one.otherwise]
    if as_json:
        echo_json([setting._asdict() for setting in found])
    elif found:
        _print(found, "value (without it)", lambda one: f"{_typed(one.value)} ({_typed(one.otherwise)})")
    else:
        click.echo("config.json changes nothing")


@config.command("set")
@click.argument("key")
@click.argument("value", required=False)
@click.option("--unset", is_flag=True, help="Take KEY out of config.json, so that its default holds again.")
def set_(key: str, value: str | None, unset: bool) -> None:
    """Set KEY to VALUE in config.json. The whole file is checked first."""
    if unset == (value is not None):
        raise click.UsageError("give a VALUE, or --unset, and not both")
    with one_sentence(*FORESEEN):
        settings = Settings.read(complete_home())
        before = settings.get(key)
        content = settings.changed(key, UNSET if value is None else _parsed(value))
        if refused := settings.locked_changes(content):
            raise click.ClickException("; ".join(refused))
        settings.write(content)
        after = Settings.read(settings.home).get(key)
    click.echo(f"{key}: {_typed(before.value)} -> {_typed(after.value)}")


@config.command()
@click.argument("key")
@click.argument("value")
@click.option("--yes", is_flag=True, help="Do not ask.")
def unlock(key: str, value: str, yes: bool) -> None:
    """Set a locked KEY to VALUE, after a backup. The trainer must not run.

    Another training.max_length goes on with the campaign; its newest seal is copied into vault/backups/ first.
    Another model_name or base_model ends the campaign: current_model/ and its curves move there whole, and the next
    start of the trainer begins a new one.
    """
    from realm.arena.unlocking import NotLocked
    from realm.arena.unlocking import unlock as unlock_key

    home = complete_home()
    if not (yes or key.startswith("training.")):
        click.confirm(
            f"{key} -> {value} ends this campaign; current_model/ moves to vault/backups/. Go on?", abort=True
        )
    with one_sentence(*FORESEEN, NotLocked, AlreadyRunning):
        backup = unlock_key(Settings.read(home), key, _parsed(value))
    click.echo(f"{key} is {value}; the backup lies in {printable(str(backup))}")


def _parsed(text: str) -> Any:
    """JSON where it is JSON (0.001, true, null), else the text itself."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text


def _typed(value: Any) -> str:
    """As a person types it behind `realm config set`."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _print(settings: list[Setting], column: str, shown: Any) -> None:
    rows = [(setting.key, printable(shown(setting)), setting.origin) for setting in settings]
    echo_lines(table(("setting", column, "from"), rows, "<<<", flexible=(1,)))
