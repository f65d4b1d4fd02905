"""config.json, what the campaign is bound to, and the hero that it names."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from realm.armory.heroes import HERO_FILE, HeroError, check_base_model, load_hero
from realm.armory.settings import Settings
from realm.core.config import ConfigError
from realm.sentinels.finding import Finding, fine, note, of_sentence, trouble
from realm.sentinels.patient import Patient

NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")  # by transformers
WEIGHTS, SHARDS = "model.safetensors", "model.safetensors.index.json"


class _Shards(msgspec.Struct):
    weight_map: dict[str, str]  # tensor -> file


def config(patient: Patient) -> Iterator[Finding]:
    home = patient.home
    try:
        settings = Settings.read(home)
        found = {setting.key: setting for setting in settings.effective()}
    except ConfigError as error:
        for problem in error.problems:
            yield trouble(
                f"config.json: {problem}",
                "a daemon that runs goes on with the last good one; one that starts ends with status 78",
                f"edit {home.config_file}, or `realm config set KEY --unset`",
            )
        return
    except HeroError as error:
        yield of_sentence("trouble", str(error))
        return
    stated = [key for key, one in found.items() if one.origin == "config.json"]
    yield fine(f"config.json is valid; it states {', '.join(stated) or 'nothing'}")
    yield from _locked(settings)
    threads, cores = found["threads"].value, os.cpu_count() or 1
    if threads and threads > cores:
        yield note(
            f"threads is {threads}, this machine has {cores} cores",
            "threads that wait for a core slow all of them",
            f"realm config set threads {cores}",
        )


def _locked(settings: Settings) -> Iterator[Finding]:
    """What the campaign is bound to."""
    try:
        for sentence in settings.locked_changes(settings.raw):
            yield of_sentence("trouble", sentence)
    except ConfigError as error:
        yield trouble(str(error), "the trainer does not start with it")


def hero(patient: Patient) -> Iterator[Finding]:
    """There, of that name, and with the files that transformers loads."""
    try:
        wanted = Settings.read(patient.home)
    except ConfigError:
        return  # told already
    name, base_model = wanted.get("model_name").value, wanted.get("base_model").value
    folder = patient.home.models / name
    build = f"realm hero build {name}"
    if not folder.is_dir():
        yield trouble(f"hero {name}: {folder} does not exist", "the trainer does not start without it", build)
        return
    try:
        found = load_hero(folder / HERO_FILE)
        check_base_model(folder, base_model)
        lacking = _lacking(folder)
    except (HeroError, msgspec.DecodeError, UnicodeDecodeError) as error:
        yield trouble(f"hero {name}: {error}", "the trainer does not start with it", f"mv {folder} ASIDE; {build}")
        return
    if lacking:
        yield trouble(
            f"hero {name}: {folder} lacks {', '.join(lacking)}",
            "transformers cannot load it",
            f"mv {folder} ASIDE; {build}",
        )
    else:
        yield fine(f"hero {found.name} stands in {folder}")


def _lacking(folder: Path) -> list[str]:
    weights = [WEIGHTS]
    if (folder / SHARDS).exists():
        shards = msgspec.json.decode((folder / SHARDS).read_bytes(), type=_Shards)
        weights = sorted(set(shards.weight_map.values()))
    return [name for name in (*NEEDED, *weights) if not (folder / name).is_file()]
