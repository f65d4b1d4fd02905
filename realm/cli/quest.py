"""realm quest: what becomes training data, from the drop to its end."""

from pathlib import Path
from typing import Any

import click
import orjson

from realm.cli import figures
from realm.cli.failures import complete_home, one_sentence, sentence
from realm.cli.terminal import echo_json, echo_lines, printable, table
from realm.core.quests import (
    ENDED,
    ERROR_FILE,
    META_FILE,
    PRIORITIES,
    RESULT_FILE,
    STATES,
    Priority,
    Quest,
    QuestBusy,
    QuestGone,
    QuestMetaError,
    QuestQueue,
    State,
    read_meta,
)

SHOWN_ENDED = 20  # of each ended state, unless one asks for that state
LISTED: tuple[State, ...] = ("processing", *PRIORITIES, *ENDED)

priority_choice = click.Choice(PRIORITIES)


@click.group()
def quest() -> None:
    """Quests: files of training data. QUEST is any part of a name that no other quest has."""


# Dropping


@quest.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--priority", type=priority_choice, help="Folder of the inbox to drop into; without it: normal.")
@click.option("--wait", is_flag=True, help="Wait until each is in the queue; status 1 if one is refused.")
def drop(files: tuple[Path, ...], priority: Priority | None, wait: bool) -> None:
    """Copy each FILE (.jsonl, .jsonl.gz, .jsonl.zst) into the inbox, with its FILE.meta.json if it has one."""
    from realm.cli import quest_drop

    home = complete_home()
    with one_sentence():
        quest_drop.drop(home, files, priority, wait=wait)


# Looking


@quest.command()
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only these; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array of all of them.")
def ls(states: tuple[State, ...], as_json: bool) -> None:
    """List quests in training order, then those that ended, newest first."""
    queue = QuestQueue(complete_home())
    wanted = [state for state in LISTED if state in states] if states else LISTED
    with one_sentence():
        found = {state: _in_order(queue, state) for state in wanted}
    if as_json:
        echo_json([known for quests in found.values() for known in map(_summary, quests) if known])
        return
    limits: dict[State, int] = {} if states else dict.fromkeys(ENDED, SHOWN_ENDED)
    shown = [one for state, quests in found.items() for one in quests[: limits.get(state)]]
    rows = [_row(known) for known in map(_summary, shown) if known]
    if not rows:
        click.echo("no quest is there: `realm quest drop FILE.jsonl` brings one")
        return
    echo_lines(table(["STATE", "QUEST", "SIZE", "LINES", "SKILL", "FILE"], rows, "<<>><<", flexible=(5, 1)))
    for state, limit in limits.items():
        if older := len(found[state][limit:]):
            click.echo(f"and {older:,} older ones: realm quest ls --state {state}")


@quest.command()
@click.argument("quest")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: where it lies, meta, result, error.")
def show(quest: str, as_json: bool) -> None:
    """Show one QUEST: what it is, and how it ended."""
    found = _find(quest)
    with one_sentence():
        told = {
            **_place(found),
            "meta": _json_file(found.path / META_FILE),
            "result": _json_file(found.path / RESULT_FILE),
            "error": _json_file(found.path / ERROR_FILE),
        }
    if not found.path.exists():
        raise click.ClickException(f"{found.name} has just left {found.state}: ask again")
    if as_json:
        echo_json(told)
        return
    from realm.cli.quest_view import view

    with one_sentence():
        echo_lines(view(found, told))


# Changing


@quest.command()
@click.argument("quest")
@click.option("--priority", type=priority_choice, help="Default: the one it was admitted with.")
def retry(quest: str, priority: Priority | None) -> None:
    """Train an ended QUEST once more, as a new claim."""
    from realm.cli.quest_view import how_to_go_on, was_refused

    found = _find(quest)
    with one_sentence(QuestMetaError):
        meta = read_meta(found.path)
    if was_refused(_json_file(found.path / ERROR_FILE)):
        why = f"`realm quest show {short(found.name)}` says what is wrong"
        raise click.ClickException(f"{found.name} was never admitted: {how_to_go_on(found.path)} ({why})")
    wanted = priority or meta.priority
    with one_sentence(QuestGone):
        _queue().retry(found.name, wanted)
    click.echo(f"{found.name} waits again, {wanted}")


@quest.command()
@click.argument("quest")
@click.argument("priority", type=priority_choice)
def move(quest: str, priority: Priority) -> None:
    """Give a waiting QUEST another PRIORITY."""
    found = _find(quest)
    with one_sentence(QuestGone):
        _queue().move(found.name, priority)
    click.echo(f"{found.name} waits, {priority}")


@quest.command()
@click.argument("quest")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(quest: str, yes: bool) -> None:
    """Delete a waiting or ended QUEST, its lines with it. What was trained of it stays trained."""
    found = _find(quest)
    if not yes:
        click.confirm(f"delete {found.name}, which is in queue/{found.state}?", abort=True)
    with one_sentence(QuestBusy):
        removed = _queue().remove(found.name)
    click.echo(f"{found.name} is deleted" if removed else f"{found.name} was gone already")


# How


def short(name: str) -> str:
    """A name without its time: a part of it that is nearly always enough."""
    return name.partition("Z-")[2]


def _queue() -> QuestQueue:
    return QuestQueue(complete_home())


def _find(part: str) -> Quest:
    """The one quest whose name has this part. Raises click.ClickException for none and for several."""
    queue = _queue()
    with one_sentence():
        names = {name for state in STATES for name in queue.names(state)}
        matching = [part] if part in names else sorted(name for name in names if part and part in name)
        found = queue.find(matching[0]) if len(matching) == 1 else None
    if len(matching) > 1:
        some = ", ".join(matching[:3]) + (", ..." if len(matching) > 3 else "")
        raise click.ClickException(f"{len(matching)} quests have {printable(part)!r} in their names: {some}")
    if found is None:
        raise click.ClickException(f"no quest has {printable(part)!r} in its name: `realm quest ls` lists them")
    return found


def _in_order(queue: QuestQueue, state: State) -> list[Quest]:
    names = queue.names(state)
    folder = queue.home.queue / state
    return [Quest(name, state, folder / name) for name in (names[::-1] if state in ENDED else names)]


def _place(found: Quest) -> dict[str, Any]:
    return {"name": found.name, "state": found.state, "path": str(found.path)}


def _summary(found: Quest) -> dict[str, Any] | None:
    """For a list: null where the meta cannot be read, with the reason in `problem`. None if it has just moved on."""
    wanted = ("original_name", "bytes", "lines", "schema_id", "skill", "level", "epochs", "admitted_at")
    meta = outcome = problem = None
    try:
        meta = read_meta(found.path)
        outcome = _outcome(found)
    except (OSError, QuestMetaError, click.ClickException) as error:
        if not found.path.exists():
            return None
        problem = sentence(error)
    return {
        **_place(found),
        "outcome": outcome,
        **{key: getattr(meta, key, None) for key in wanted},
        "problem": problem,
    }


def _outcome(found: Quest) -> Any:
    """Of a quest that a seal covers: completed, or skipped without gold. None for any other."""
    result = _json_file(found.path / RESULT_FILE) if found.state == "recently_completed" else None
    return result.get("outcome") if isinstance(result, dict) else None


def _row(known: dict[str, Any]) -> list[str]:
    skill = " ".join(str(word) for word in (known["skill"], known["level"]) if word is not None)
    state = known["outcome"] or known["state"].removeprefix("recently_")
    colour = {"processing": "green", "failed": "red", "skipped": "yellow"}.get(state)
    return [
        click.style(printable(str(state)), fg=colour),
        short(known["name"]),
        figures.size(known["bytes"]),
        figures.number(known["lines"]),
        printable(skill),
        printable(known["problem"] or known["original_name"]),
    ]


def _json_file(file: Path) -> Any:
    """What the file holds, null if there is none. Raises OSError; a broken one is a ClickException."""
    try:
        return orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"{printable(str(file))}: {error}") from None
