"""The documents say what the code says."""

import re
import tomllib
from pathlib import Path

import pytest

from realm.core.log import INFO, LOG_LINES, Line
from realm.core.quests import QuestQueue
from tests.docs import DOCS, PART, PARTS, WHO, documents, renewed

# Of the queue: they move nothing.
LOOKS = {"names", "waiting", "in_turn", "count_waiting", "latest", "find", "strangers", "sweep"}


@pytest.mark.parametrize("file", documents(), ids=lambda file: file.name)
def test_made_parts_are_as_the_code_is_now(file: Path) -> None:
    text = file.read_text()
    assert text == renewed(text), "run `python -m tests.docs` and look at what changed"


def test_each_part_stands_in_one_document() -> None:
    found = [part["name"] for file in documents() for part in PART.finditer(file.read_text())]
    assert sorted(found) == sorted(PARTS)


def test_a_drift_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / "ARCHITECTURE.md").read_text()
    monkeypatch.setitem(LOG_LINES, "sing", Line(INFO, "a daemon sings"))
    assert "| `sing` | info | a daemon sings |" in renewed(text)
    assert renewed(text) != text


def test_every_transition_of_a_quest_is_told() -> None:
    public = {name for name, one in vars(QuestQueue).items() if callable(one) and not name.startswith("_")}
    assert public - LOOKS == set(WHO)


def test_every_dependency_is_named_with_its_reason() -> None:
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    stated = [*project["dependencies"], *extras["dev"], *extras["lora"], *extras["liger"]]
    needed = {re.split(r"[<>=~!\[; ]", one)[0] for one in stated}
    [section] = re.findall(r"^## Dependencies$(.*?)^## ", (DOCS / "DEVELOPMENT.md").read_text(), re.M | re.S)
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section, re.M)[1:]
    named = {name for names, _ in rows for name in names.split(", ")}
    assert named == needed
    assert all(reason.strip() for _, reason in rows)
