"""Tab, asked of real shells: what they would offer."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from realm.cli.completion import VALUES
from realm.cli.main import NOUNS
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.arena.realm_home import put_quest
from tests.cli.console import LINE, realm

BASH = """
source <(realm completion bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_realm_completion realm
printf '%s\\n' "${COMPREPLY[@]}"
"""


def environment(home: Home) -> dict[str, str]:
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "REALM_HOME": str(home.root)}


def offered(home: Home, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    command = ["bash", "--norc", "-c", BASH, "bash", "realm", *words]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_nouns_verbs_options_and_choices(home: Home) -> None:
    assert offered(home, "") == list(NOUNS)
    assert offered(home, "qu") == ["quest"]
    assert {"drop", "ls", "show"} <= set(offered(home, "quest", ""))
    assert offered(home, "quest", "ls", "--st") == ["--state"]
    assert offered(home, "quest", "ls", "--state", "f") == ["failed"]
    assert {"trainer", "queue-watcher"} <= set(offered(home, "run", ""))
    assert offered(home, "--h") == ["--home", "--help"]
    assert offered(home, "nonsense", "") == list(NOUNS)


def test_quests_by_the_part_of_their_name_that_people_type(home: Home) -> None:
    waits, fails = put_quest(home, LINE, "apples.jsonl"), put_quest(home, LINE * 2, "pears.jsonl")
    queue = QuestQueue(home)
    queue.claim(fails)
    assert offered(home, "quest", "rm", "") == ["apples-" + waits[-8:]]
    queue.fail(fails, b"{}")
    assert offered(home, "quest", "show", "p") == ["pears-" + fails[-8:]]
    assert set(offered(home, "quest", "rm", "")) == {"apples-" + waits[-8:], "pears-" + fails[-8:]}
    assert offered(home, "quest", "move", "") == ["apples-" + waits[-8:]]
    assert offered(home, "quest", "move", "apples", "") == ["high", "normal", "low"]
    assert offered(home, "quest", "retry", "") == ["pears-" + fails[-8:]]
    realm(home, "quest", "show", offered(home, "quest", "show", "p")[0])


def test_checkpoints_settings_and_heroes(home: Home) -> None:
    for name in ("checkpoint-500-20251127-1430", "checkpoint-1000-20251127-1530", "checkpoint-x"):
        (home.current_model / name).mkdir()
    assert offered(home, "ledger", "show", "") == ["checkpoint-1000-20251127-1530", "checkpoint-500-20251127-1430"]
    assert "training.learning_rate" in offered(home, "config", "set", "")
    assert offered(home, "config", "get", "seals.max_u") == ["seals.max_unsealed_minutes"]
    assert offered(home, "config", "unlock", "") == ["model_name", "base_model", "training.max_length"]
    assert offered(home, "hero", "build", "") == ["dio", "squire"]


def test_the_home_on_the_line_is_the_one_that_is_looked_into(home: Home, tmp_path: Path) -> None:
    quest = put_quest(home, LINE, "apples.jsonl")
    nowhere = Home(tmp_path / "nowhere")
    assert offered(nowhere, "quest", "show", "") == []
    assert offered(nowhere, "--home", str(home.root), "quest", "show", "") == ["apples-" + quest[-8:]]
    assert offered(nowhere, "--home", str(home.root), "st") == ["status", "stop"]


def test_a_home_that_cannot_be_read_offers_nothing(home: Home) -> None:
    home.config_file.write_text("{")
    shutil.rmtree(home.queue)
    assert offered(home, "config", "set", "") == []
    assert offered(home, "quest", "show", "") == []


def test_each_value_that_is_known_belongs_to_an_argument_that_exists(home: Home) -> None:
    for (noun, verb), value in VALUES.items():
        assert value.parameter.partition("_")[0].upper() in realm(home, noun, verb, "--help").stdout.upper()
        assert not value.known(home) or offered(home, noun, verb, "")


ASK = {
    "zsh": "autoload -Uz compinit; compinit -u; source <(realm completion zsh); print ${_comps[realm]}",
    "fish": "realm completion fish | source; complete -C 'realm quest '",
}


@pytest.mark.parametrize(("shell", "answer"), [("zsh", "_realm_completion"), ("fish", "drop")])
def test_other_shells_take_the_script(home: Home, shell: str, answer: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-c", ASK[shell]], env=environment(home), capture_output=True, text=True)
    assert answer in done.stdout, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_us_at_each_tab_and_the_help_says_where_it_belongs(home: Home, shell: str) -> None:
    script = realm(home, "completion", shell).stdout
    assert f"realm completion {shell} --answer" in script.replace("$1", "realm")
    assert "_REALM_COMPLETE" not in script
    told = realm(home, "completion", "--help").stdout
    assert f"\n  {shell.ljust(4)}  realm completion {shell} > " in told
    assert "--answer" not in told
