"""The plan of the house, held by its imports: arrows point down, and rooms meet at their front doors."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import realm

HOUSE = Path(realm.__file__).parent
FLOORS = {
    "core": 0,
    "armory": 1,
    "arena": 2,
    "guild": 2,
    "oracle": 3,
    "sentinels": 2,
    "scrolls": 4,
    "tavern": 4,
    "watchtower": 4,
    "cli": 5,
}


def imports() -> Iterator[tuple[Path, str]]:
    """(file, imported dotted name) for every import of the project's own code."""
    for file in sorted(HOUSE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name) for alias in node.names if alias.name.startswith("realm."))
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "realm":
                yield from ((file, f"{node.module}.{alias.name}") for alias in node.names)


def room_of(file: Path) -> str:
    return file.relative_to(HOUSE).parts[0]


CROSSINGS = [
    (file, name)
    for file, name in imports()
    if file.parent != HOUSE and name.split(".")[1] in FLOORS and name.split(".")[1] != room_of(file)
]


def test_every_room_has_its_floor() -> None:
    rooms = {folder.name for folder in HOUSE.iterdir() if (folder / "__init__.py").exists()}
    assert rooms == set(FLOORS)


@pytest.mark.parametrize(("file", "name"), CROSSINGS, ids=lambda one: str(one).removeprefix(str(HOUSE)))
def test_arrows_point_down(file: Path, name: str) -> None:
    assert FLOORS[name.split(".")[1]] < FLOORS[room_of(file)]


@pytest.mark.parametrize(("file", "name"), CROSSINGS, ids=lambda one: str(one).removeprefix(str(HOUSE)))
def test_a_room_uses_only_what_another_shows_at_its_door(file: Path, name: str) -> None:
    """Each package on the way lists the next step in __all__; the ground floor is open to all."""
    parts = name.split(".")
    if parts[1] == "core":
        return
    for depth in range(2, len(parts)):
        package = HOUSE.joinpath(*parts[1:depth], "__init__.py")
        if package.exists():
            shown = import_module(".".join(parts[:depth])).__all__
            assert parts[depth] in shown, f"{'.'.join(parts[:depth])} does not show {parts[depth]}"


LIGHT = [
    "realm",
    "realm.core.daemon",
    "realm.core.checkpoint_ledger",
    "realm.armory.heroes",
    "realm.arena.queue_watcher",
    "realm.guild.skills.server",
    "realm.arena.battle.journal",
    "realm.arena.battle.seal",
    "realm.tavern.tavern",
    "realm.oracle.oracle",
    "realm.watchtower.watchtower",
    "realm.cli.main",
    "realm.cli.status",
    "realm.cli.watch",
    "realm.cli.up",
    "realm.cli.doctor",
    "realm.cli.migrate",
    "realm.cli.completion",
    "realm.cli.skill",
    "realm.cli.oracle",
]


@pytest.mark.parametrize("module", LIGHT)
def test_it_imports_neither_torch_nor_transformers(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
