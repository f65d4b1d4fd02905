"""realm oracle: which models answer, what is in memory, who may ask, and a chat."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from realm.cli import figures
from realm.cli.failures import complete_home, one_sentence
from realm.cli.oracle_chat import Chat, converse, say_once
from realm.cli.terminal import bar, echo_json, echo_lines, fields, printable, table
from realm.core.checkpoint_ledger import parse_name
from realm.core.config import ConfigError, load_config
from realm.core.hosts import HostError
from realm.core.paths import Home
from realm.core.status import OracleStatus, StatusError, is_locked, read_status
from realm.oracle.client import OracleClient, OracleRefused, OracleUnreachable, oracle_of, own_url
from realm.oracle.keys import ADMIN, READ
from realm.oracle.shelf import DamagedModel, Shelf, UnknownModel

FAILURES = (ConfigError, DamagedModel, HostError, OracleRefused, OracleUnreachable, StatusError)
LOOK = 0.2  # seconds between two looks at a model that is being loaded
BAR = 20  # cells

on_host = click.option("--host", help="A machine of configs/hosts.json. Default: this home's Oracle, if it runs.")


@click.group()
def oracle() -> None:
    """Ask any checkpoint; see and change what is in memory."""


class Row(msgspec.Struct):
    """A model that can be asked. `size`: bytes of its weights, None if unknown."""

    name: str
    step: int | None
    size: int | None
    saved_at: datetime
    is_in_memory: bool
    tags: list[str]


@oracle.command()
@on_host
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def ls(host: str | None, as_json: bool) -> None:
    """List the models that can be asked, newest first: those of this home, or those of HOST's Oracle."""
    home = complete_home()
    with one_sentence(*FAILURES):
        if host or load_config(home.config_file).oracle.backend == "openai":
            rows = list(_rows_of_server(_client(home, host)))
        else:
            rows = list(_rows_of_shelf(home))
    if as_json:
        echo_json(msgspec.to_builtins(rows))
    elif rows:
        now = datetime.now(UTC)
        header = ["MODEL", "STEP", "SIZE", "SAVED", "MEMORY", "TAGS"]
        echo_lines(table(header, [_cells(row, now) for row in rows], "<>>><<", flexible=(0,)))
    else:
        click.echo("no model can be asked yet: `realm init` makes the hero, and training its checkpoints")


def _client(home: Home, host: str | None) -> OracleClient:
    """Says so if another machine is asked than one might think."""
    client = oracle_of(home, host)
    if host is None and own_url(home) is None:
        click.echo(f"this home's Oracle does not run (`realm run oracle`): {client.url} is asked", err=True)
    return client


def _rows_of_shelf(home: Home) -> Iterator[Row]:
    shelf, held = Shelf(home), _held(home)
    try:
        champion = shelf.find("champion").name
    except UnknownModel:
        champion = ""
    for index, one in enumerate(shelf.volumes()):
        saved_at = datetime.fromtimestamp(one.folder.stat().st_mtime, UTC)
        tags = ["latest"] * (index == 0 and one.record is not None) + ["champion"] * (one.name == champion)
        yield Row(one.name, _step(one.name), one.size_bytes, saved_at, one.name in held, tags)


def _held(home: Home) -> list[str]:
    """What is in the memory of this home's oracle."""
    if not is_locked(home.locks / "oracle.lock"):
        return []
    said = read_status(home.status / OracleStatus.FILE, OracleStatus)
    return [one.name for one in said.models] if said else []


def _rows_of_server(client: OracleClient) -> Iterator[Row]:
    sizes = {one["name"]: one["bytes"] for one in _info(client)["models"]}
    for index, one in enumerate(client.models()):
        saved_at, step = datetime.fromtimestamp(one.created, UTC), _step(one.name)
        tags = ["latest"] * (index == 0 and step is not None)
        yield Row(one.name, step, sizes.get(one.name), saved_at, one.name in sizes, tags)


def _info(client: OracleClient) -> dict[str, Any]:
    try:
        return client.info()
    except OracleRefused as error:
        if error.status == 404:  # a server of another make, which tells nothing of its memory
            return {"models": []}
        raise


def _step(name: str) -> int | None:
    try:
        return parse_name(name).step
    except ValueError:
        return None


def _cells(row: Row, now: datetime) -> list[str]:
    return [
        printable(row.name),
        figures.number(row.step),
        figures.size(row.size),
        figures.since(row.saved_at, now),
        "loaded" if row.is_in_memory else "",
        ", ".join(row.tags),
    ]


# Memory


@oracle.command()
@click.argument("name")
@on_host
def load(name: str, host: str | None) -> None:
    """Load model NAME into the Oracle's memory, and wait until it is there.

    NAME is base, latest, champion, step:N, or a checkpoint's name. Ctrl-C ends the waiting, not the loading.
    """
    home = complete_home()
    with one_sentence(*FAILURES):
        client = _client(home, host)
        own, began = client.load(name), time.monotonic()
        try:
            while (info := client.info())["loading"] and info["loading"]["name"] == own:
                _draw(info["loading"])
                time.sleep(LOOK)
        finally:
            _draw(None)
    if reason := info["failures"].get(own):
        raise click.ClickException(printable(reason))
    if own not in [one["name"] for one in info["models"]]:
        raise click.ClickException(f"{own} was loaded, and has left the memory again: another model needed its room")
    click.echo(f"🔮 {own} is in the memory of {client.url} after {time.monotonic() - began:.1f} s")


def _draw(loading: dict[str, Any] | None) -> None:
    if sys.stdout.isatty():
        click.echo(f"\r\x1b[K{_progress(loading) if loading else ''}", nl=False)


def _progress(loading: dict[str, Any]) -> str:
    name, read, total = loading["name"], loading["read"], loading["total"]
    if read >= total:
        return f"{name}  {figures.size(total)} are read and whole; it is being made ready"
    share = read / total
    return f"{name}  {bar(share, BAR)}  {figures.percent(share)} of {figures.size(total)}"


@oracle.command()
@click.argument("name")
@on_host
def unload(name: str, host: str | None) -> None:
    """Take model NAME out of the Oracle's memory; one that answers stays."""
    home = complete_home()
    with one_sentence(*FAILURES):
        own = _client(home, host).unload(name)
    click.echo(f"{own} is out of memory")


# Keys


@oracle.command()
def keys() -> None:
    """Print the keys with which other machines ask this home's Oracle, and where they lie."""
    home = complete_home()
    with one_sentence():
        found = {name: (home.secrets / name).read_text().strip() for name in (READ, ADMIN) if _exists(home, name)}
    if not found:
        click.echo(
            "there are no keys yet: the Oracle makes them when it first listens beyond this machine, which"
            " `realm config set oracle.host 0.0.0.0` and a start of it bring about"
        )
        return
    meaning = {READ: "asks, and sees which models there are", ADMIN: "everything, also loading and unloading"}
    for name, key in found.items():
        click.echo(click.style(key, bold=True))
        echo_lines(fields([("  opens", meaning[name]), ("  file", printable(str(home.secrets / name)))]))


def _exists(home: Home, name: str) -> bool:
    """Raises PermissionError where secrets/ is not ours."""
    try:
        (home.secrets / name).stat()
    except FileNotFoundError:
        return False
    return True


# Chat


@oracle.command()
@click.argument("name", required=False)
@click.argument("prompt", required=False)
@on_host
@click.option("--system", help="The system prompt.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="0 is greedy. Default: 1.")
@click.option("--seed", type=int, help="Repeats an answer.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Ends an answer after so many.")
def chat(name: str | None, prompt: str | None, host: str | None, system: str | None, **options: float | None) -> None:
    """Chat with model NAME, by default the newest; with PROMPT, or in a pipe, ask once.

    In a terminal Ctrl-C stops an answer, Ctrl-D ends the chat, and /help says what else there is. In a pipe the prompt
    is read from stdin; the answer goes to stdout, how fast it came to stderr.
    """
    home = complete_home()
    with one_sentence(*FAILURES):
        client = _client(home, host)
        model = name or _newest(client)
        stated = {option: value for option, value in options.items() if value is not None}
        talk = Chat(client, model, system, stated)
        if prompt is None and sys.stdin.isatty() and sys.stdout.isatty():
            converse(talk)
        else:
            say_once(talk, sys.stdin.read() if prompt is None else prompt)


def _newest(client: OracleClient) -> str:
    """Raises click.ClickException if there is none."""
    if models := client.models():
        return models[0].name
    raise click.ClickException(f"{client.url} has no model: `realm init` makes the hero there")
