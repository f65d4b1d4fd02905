"""Formats 2 and 3 of a home, made up, so that `realm migrate` has somewhere to go.

As a program (`python -m tests.sentinels.formats HOME`) it migrates a home to format 3, for a tracer to kill.
"""

import sys
from pathlib import Path

import msgspec

from realm.core import paths
from realm.core.files import write_whole
from realm.core.paths import Home
from realm.sentinels import migration
from realm.sentinels.migration import Step

NEWEST = 3


def hero_for_model_name(home: Home) -> None:
    """Content changes: harmless again, as it looks at what is there."""
    content = msgspec.json.decode(home.config_file.read_bytes())
    if "model_name" in content:
        content["hero"] = content.pop("model_name")
        write_whole(home.config_file, msgspec.json.encode(content), mode=0o664)


def history_by_year(home: Home) -> None:
    """Files move: one after the other."""
    year = home.history / "2026"
    year.mkdir(exist_ok=True)
    for file in sorted(home.history.glob("*.jsonl")):
        file.rename(year / file.name)


STEPS = {
    1: Step("model_name is called hero", ("config.json", "never-there.json"), hero_for_model_name),
    2: Step("history by year", ("history",), history_by_year),
}


def apply() -> None:
    """This process is of a realm that knows format 3."""
    paths.FORMAT_VERSION = migration.FORMAT_VERSION = NEWEST
    migration.STEPS.update(STEPS)


if __name__ == "__main__":
    apply()
    for moved in migration.migrate(Home(Path(sys.argv[1]))):
        print(moved.to_version, flush=True)
