"""What many tests need: a real, tiny hero and its tokenizer."""

import signal
from collections import Counter
from pathlib import Path

import pytest

import realm.cli.main  # noqa: F401 - sets how torch's threads wait, before torch is loaded
from realm.arena.battle.chat import ChatTokenizer
from realm.armory import heroes, smithy
from realm.guild.trainers import get_trainer

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; what tests start would be deaf, too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def squire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squire's model folder, freshly built."""
    folder = tmp_path_factory.mktemp("models") / "squire"
    return smithy.build_hero(heroes.get_hero("squire"), folder, signs=get_trainer("bin").SIGNS)


@pytest.fixture(scope="session")
def chat(squire: Path) -> ChatTokenizer:
    return ChatTokenizer.load(squire)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What each suite took: CI has a budget (docs/DEVELOPMENT.md)."""
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
