"""realm completion: the script with which Tab completes `realm`, and the answers that it asks for at each Tab.

Click knows nouns, verbs, options and choices; VALUES tells what else may stand there. Nothing but the noun in question
is imported, so that an answer comes at once.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from realm.cli.main import NOUNS, main
from realm.core.paths import Home
from realm.core.paths import home as chosen_home
from realm.core.quests import ENDED, PRIORITIES, STATES, QuestQueue, State

SHELLS = ("bash", "zsh", "fish")
# What click's scripts run at each Tab: `realm` with this variable in its environment.
ASKING = re.compile(r"_REALM_COMPLETE=\w+_complete (.*?)(\$1|realm)(?=\))")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--answer", is_flag=True, hidden=True, help="Asked by the script: what may stand at the cursor.")
def completion(shell: str, answer: bool) -> None:
    """Print the script with which Tab completes `realm` in SHELL.

    \b
    bash  realm completion bash > ~/.local/share/bash-completion/completions/realm
    zsh   realm completion zsh > DIR/_realm, DIR being in $fpath
    fish  realm completion fish > ~/.config/fish/completions/realm.fish

    For one session of bash or zsh: source <(realm completion SHELL)
    """  # noqa: D301 - click reads the backspace as "leave these lines alone"
    kind = get_completion_class(shell)
    assert kind is not None
    asked = kind(main, {}, "realm", "_REALM_COMPLETE")
    if answer:
        click.echo("\n".join(map(asked.format_completion, _answers(asked))))
    else:
        click.echo(ASKING.sub(rf"\1\2 completion {shell} --answer 2>/dev/null", asked.source()))


def _answers(asked: ShellComplete) -> list[CompletionItem[str]]:
    """What may stand at the cursor of the line that the shell's script has put into the environment."""
    words, incomplete = asked.get_completion_args()
    noun = next((word for word in words if word in NOUNS), None)
    if noun:
        _teach(noun)
    elif not incomplete.startswith("-") and words[-1:] != ["--home"]:
        known = [(name, noun.meaning) for name, noun in NOUNS.items() if name.startswith(incomplete)]
        return [CompletionItem(name, help=meaning) for name, meaning in known]
    return asked.get_completions(words, incomplete)


# What a home holds


class Value(NamedTuple):
    parameter: str
    known: Callable[[Home], list[str]]


class _OfHome(click.ParamType[str]):
    """Any text; what the home has is offered."""

    name = "text"

    def __init__(self, known: Callable[[Home], list[str]]):
        self._known = known

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        stated = ctx.find_root().params.get("home")
        try:
            names = self._known(Home(chosen_home(Path(stated) if stated else None)))
        except (OSError, ValueError):  # no home, or nothing in it that can be read: nothing is offered
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _quests(*states: State) -> Callable[[Home], list[str]]:
    """Without their time, which nobody types; QUEST is any part of a name."""

    def names(home: Home) -> list[str]:
        queue = QuestQueue(home)
        return [name.partition("Z-")[2] for state in states for name in reversed(queue.names(state))]

    return names


def _checkpoints(home: Home) -> list[str]:
    from realm.core.checkpoint_ledger import NAME, parse_name

    names = [path.name for path in home.current_model.iterdir() if NAME.fullmatch(path.name)]
    return sorted(names, key=lambda name: parse_name(name).order, reverse=True)


def _settings(home: Home) -> list[str]:
    from realm.armory.settings import Settings

    return [setting.key for setting in Settings.read(home).effective()]


def _locked_settings(home: Home) -> list[str]:
    from realm.core.locked import LOCKED_KEYS

    return list(LOCKED_KEYS.values())


def _heroes(home: Home) -> list[str]:
    from realm.armory.heroes import hero_files

    return list(hero_files(home.configs))


def _skills(home: Home) -> list[str]:
    from realm.guild.skills import list_skills

    return list_skills()


VALUES = {
    ("quest", "show"): Value("quest", _quests(*STATES)),
    ("quest", "retry"): Value("quest", _quests(*ENDED)),
    ("quest", "move"): Value("quest", _quests(*PRIORITIES)),
    ("quest", "rm"): Value("quest", _quests(*PRIORITIES, *ENDED)),
    ("ledger", "show"): Value("checkpoint", _checkpoints),
    ("oracle", "load"): Value("name", _checkpoints),
    ("oracle", "unload"): Value("name", _checkpoints),
    ("oracle", "chat"): Value("name", _checkpoints),
    ("config", "get"): Value("key", _settings),
    ("config", "set"): Value("key", _settings),
    ("config", "unlock"): Value("key", _locked_settings),
    ("hero", "build"): Value("hero_id", _heroes),
    ("skill", "show"): Value("skill_id", _skills),
    ("skill", "sample"): Value("skill_id", _skills),
    ("skill", "check"): Value("skill_id", _skills),
}


def _teach(noun: str) -> None:
    """Gives the noun's verbs the values that stand in a home."""
    command = getattr(import_module(f"realm.cli.{NOUNS[noun].module}"), noun)
    for (of, verb), value in VALUES.items():
        if of == noun:
            for parameter in command.commands[verb].params:
                if parameter.name == value.parameter:
                    parameter.type = _OfHome(value.known)
