"""The parts of docs/ that are made from code: `python -m tests.docs` writes them, tests/test_docs.py holds them.

A part stands between `<!-- begin NAME ... -->` and `<!-- end NAME -->`, in whichever document has these lines.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
from msgspec import Struct
from msgspec import inspect as types

from realm.armory.heroes import get_hero, hero_files
from realm.cli.main import NOUNS, main
from realm.core.config import AT_A_STEP, Config, Training
from realm.core.events import KINDS
from realm.core.locked import LOCKED_KEYS
from realm.core.log import ERROR, INFO, LOG_LINES, NOTICE, WARNING
from realm.core.paths import DAEMONS, PEOPLE, PLACES, Place
from realm.core.quests import STATES, QuestQueue
from realm.core.status import BATTLE_STATES, PHASE_LIMITS
from realm.core.status import STATES as DAEMON_STATES

DOCS = Path(__file__).parents[1] / "docs"
PART = re.compile(r"^<!-- begin (?P<name>[\w-]+).*?^<!-- end (?P=name) -->$", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    return sorted(DOCS.glob("*.md"))


def renewed(text: str) -> str:
    """A document with its made parts made anew. Raises KeyError for a part that nobody makes."""
    return PART.sub(lambda found: part(found["name"]), text)


def part(name: str) -> str:
    lines = "\n".join(PARTS[name]())
    return f"<!-- begin {name}: made by `python -m tests.docs` -->\n\n{lines}\n\n<!-- end {name} -->"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        cells = [cell.replace("|", r"\|") for cell in row]
        yield f"| {' | '.join(cells)} |"


def code(words: Iterable[object]) -> str:
    return ", ".join(f"`{word}`" for word in words)


# The home


def places() -> Iterator[str]:
    rows = dict.fromkeys(_place(place) for place in PLACES)  # one row for the folders that each daemon has
    return table(("path", "mode", "who writes", "what"), rows)


def _place(place: Place) -> tuple[str, str, str, str]:
    daemon = next((name for name in DAEMONS if f"control/orders/{name}" in place.path), "")
    path, meaning = place.path, place.meaning
    if daemon:
        path, meaning = path.replace(daemon, "<daemon>"), meaning.replace(f"the {daemon}", "the daemon")
    slash = "/" if place.kind == "folder" else ""
    return f"`{path}{slash}`", f"{place.mode:04o}", _writers(place.writers, daemon), meaning


def _writers(writers: tuple[str, ...], daemon: str) -> str:
    if set(DAEMONS) <= set(writers):
        return "people, daemons" if PEOPLE in writers else "each daemon its own"
    return "that daemon" if writers == (daemon,) else ", ".join(writers) or "nobody"


# Quests

WHO = {
    "publish": "queue-watcher",
    "refuse": "queue-watcher",
    "claim": "trainer",
    "release": "trainer",
    "reclaim": "trainer",
    "complete": "trainer",
    "fail": "trainer",
    "prune": "trainer, queue-watcher",
    "move": "people: `realm quest move`, `mv`; queue-watcher, by an order",
    "retry": "people: `realm quest retry`; queue-watcher, by an order",
    "remove": "people: `realm quest rm`; queue-watcher, by an order",
}


def quest_states() -> Iterator[str]:
    meanings = {place.path: place.meaning for place in PLACES}
    rows = [(state, f"`queue/{state}/<quest>/`", meanings[f"queue/{state}"]) for state in STATES]
    return table(("state", "folder", "what"), rows)


def quest_transitions() -> Iterator[str]:
    return table(("transition", "who", "what"), [(f"`{name}`", who, _sentence(name)) for name, who in WHO.items()])


def _sentence(method: str) -> str:
    return re.split(r"(?<=\.)\s", inspect.getdoc(getattr(QuestQueue, method)) or "")[0]


# What daemons say

PRIORITIES = {ERROR: "error", WARNING: "warning", NOTICE: "notice", INFO: "info"}


def log_lines() -> Iterator[str]:
    rows = [(f"`{event}`", PRIORITIES[line.priority], line.meaning) for event, line in LOG_LINES.items()]
    return table(("event=", "priority", "meaning"), rows)


def event_kinds() -> Iterator[str]:
    return table(("", "kind", "meaning"), [(kind.icon, f"`{name}`", kind.meaning) for name, kind in KINDS.items()])


def daemon_states() -> Iterator[str]:
    return table(("`state`", "meaning"), [(f"`{name}`", meaning) for name, meaning in DAEMON_STATES.items()])


def battle_states() -> Iterator[str]:
    return table(("`battle_state`", "meaning"), [(f"`{name}`", meaning) for name, meaning in BATTLE_STATES.items()])


def phases() -> Iterator[str]:
    rows = [(f"`{name}`", f"{limit:g} s") for name, limit in PHASE_LIMITS.items()]
    return table(("`phase`", "a longer one counts as hung"), rows)


# Settings


class Key(NamedTuple):
    name: str  # dotted
    field: Any  # msgspec.structs.FieldInfo
    meaning: str


def settings() -> Iterator[str]:
    rows = [(f"`{key.name}`", _values(key), _default(key), _meaning(key)) for key in _keys(Config, "")]
    return table(("key", "values", "default", "meaning"), rows)


def training_settings() -> Iterator[str]:
    rows = [
        (
            f"`{key.name}`",
            _values(key),
            _of_heroes(key.field.name),
            "next step" if key.field.name in AT_A_STEP else "next quest",
            _meaning(key),
        )
        for key in _keys(Training, "training.")
    ]
    return table(("key", "values", "of the heroes", "a change takes effect at the", "meaning"), rows)


def _keys(section: type[Struct], prefix: str) -> Iterator[Key]:
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(section), re.MULTILINE))
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _keys(field.type, f"{prefix}{field.name}.")
        elif f"{prefix}{field.name}" != "training":
            yield Key(f"{prefix}{field.name}", field, comments.get(field.name, ""))


def _meaning(key: Key) -> str:
    lock = ["locked for the life of a campaign"] if key.name in LOCKED_KEYS.values() else []
    return "; ".join([*filter(None, [key.meaning]), *lock])


def _values(key: Key) -> str:
    return _type(types.type_info(key.field.type))


def _type(found: Any) -> str:
    match found:
        case types.UnionType():
            return " or ".join(map(_type, found.types))
        case types.LiteralType():
            return code(found.values)
        case types.BoolType():
            return "`true`, `false`"
        case types.NoneType():
            return "`null`"
        case types.StrType():
            return "text"
        case types.IntType():
            return f"whole number{_range(found)}"
        case types.FloatType():
            return f"number{_range(found)}"
        case types.DictType(value_type=types.StructType() as plan):
            inner = (f"`{field.name}` ({_type(field.type)})" for field in plan.fields)
            return f"an object of objects: {', '.join(inner)}"
    raise ValueError(f"no words for {found}")


def _range(found: Any) -> str:
    bounds = {"from": found.ge, "above": found.gt, "to": found.le, "below": found.lt}
    return "".join(f" {word} {_number(bound)}" for word, bound in bounds.items() if bound is not None)


def _number(bound: float) -> str:
    exponent = bound.bit_length() - 1 if isinstance(bound, int) else 0
    return f"2^{exponent}" if exponent > 30 else f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _of_heroes(name: str) -> str:
    values = {hero: _json(getattr(get_hero(hero).training, name)) for hero in hero_files()}
    same = len(set(values.values())) == 1
    return next(iter(values.values())) if same else ", ".join(f"{hero} {value}" for hero, value in values.items())


def _default(key: Key) -> str:
    made = key.field.default_factory
    return _json(key.field.default if made is msgspec.NODEFAULT else made())


def _json(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else msgspec.json.encode(value).decode().strip('"')


# The command line


def commands() -> Iterator[str]:
    rows = [
        (f"`{' '.join(words)}`", _options(command), meaning)
        for noun in NOUNS
        for words, command, meaning in _commands(noun)
    ]
    return table(("command", "options", "what"), rows)


def _commands(noun: str) -> Iterator[tuple[list[str], click.Command, str]]:
    command = main.get_command(click.Context(main), noun)
    if isinstance(command, click.Group):
        for name, verb in sorted(command.commands.items()):
            yield ["realm", noun, name, *_arguments(verb)], verb, verb.get_short_help_str(limit=200)
    else:
        assert command is not None
        yield ["realm", noun, *_arguments(command)], command, NOUNS[noun].meaning


def _arguments(command: click.Command) -> list[str]:
    context = click.Context(command)
    return [one.make_metavar(context) for one in command.params if isinstance(one, click.Argument)]


def _options(command: click.Command) -> str:
    return code(one.opts[-1] for one in command.params if isinstance(one, click.Option) and not one.hidden)


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "places": places,
    "quest-states": quest_states,
    "quest-transitions": quest_transitions,
    "log-lines": log_lines,
    "event-kinds": event_kinds,
    "daemon-states": daemon_states,
    "battle-states": battle_states,
    "phases": phases,
    "settings": settings,
    "training-settings": training_settings,
    "commands": commands,
}


if __name__ == "__main__":
    for file in documents():
        old = file.read_text()
        if (new := renewed(old)) != old:
            file.write_text(new)
            print(f"{file.name} is renewed")
