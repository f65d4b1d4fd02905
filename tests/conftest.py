"""What many tests need: a real, tiny hero and its tokenizer."""

import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import realm.cli.main  # noqa: F401 - sets how torch's threads wait, before torch is loaded
from realm.arena.battle.chat import ChatTokenizer
from realm.armory import heroes, smithy
from realm.guild.skills import get_trainer

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; what tests start would be deaf, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests and their daemons share few cores: two threads that wait for each other there take ten times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def squire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squire's model folder, freshly built."""
    folder = tmp_path_factory.mktemp("models") / "squire"
    return smithy.build_hero(heroes.get_hero("squire"), folder, signs=get_trainer("bin").SIGNS)


@pytest.fixture(scope="session")
def chat(squire: Path) -> ChatTokenizer:
    return ChatTokenizer.load(squire)


TABLES = pytest.StashKey[dict[str, Sequence[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = {}


@pytest.fixture(scope="session")
def tables(pytestconfig: pytest.Config) -> dict[str, Sequence[str]]:
    """Title -> lines; what a test puts in here is printed at the end."""
    return pytestconfig.stash[TABLES]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of tests hands its tables to the one that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tables"] = {k: list(v) for k, v in session.config.stash[TABLES].items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[TABLES].update(getattr(node, "workeroutput", {}).get("tables", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tables, and what each suite took: CI has a budget (docs/DEVELOPMENT.md)."""
    for title, lines in config.stash[TABLES].items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
    seconds: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                suite = "/".join(report.nodeid.split("/")[:2]).partition("::")[0]
                seconds[suite] += report.duration
                counts[suite] += report.when == "call"
    terminalreporter.section("suites")
    for suite, time in seconds.most_common():
        terminalreporter.write_line(f"{time:7.1f} s  {counts[suite]:5} tests  {suite}")
