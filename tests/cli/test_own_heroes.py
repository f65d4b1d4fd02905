"""Heroes that a home brings itself, and heroes taken from a local folder: from the command line to a trained quest."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest
import yaml
from tokenizers import Tokenizer

from realm.arena.battle.chat import ChatTokenizer
from realm.armory import heroes, smithy
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.arena.realm_home import eventually, log_of, running
from tests.cli.console import realm

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
ROWS = 448  # of the embedding
QUEST = b"".join(json.dumps({"prompt": f"{n} + 1", "completion": f"{n + 1}"}).encode() + b"\n" for n in range(200))


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> Path:
    """A Qwen3 in a folder, as one downloads it: weights in bf16, tokenizer, a template of its own, and no hero.yaml."""
    folder = tmp_path_factory.mktemp("downloads") / "Qwen3-tiny"
    dio = heroes.get_hero("dio")
    architecture = msgspec.structs.replace(dio.model.architecture, **SHAPE)
    smithy.random_model(architecture, ROWS, seed=3).bfloat16().save_pretrained(folder)  # type: ignore[attr-defined]
    Tokenizer.from_file(str(squire / "tokenizer.json")).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    (folder / "chat_template.jinja").write_text("{{ messages }}<think>")
    return folder


def _small_dio() -> str:
    """dio as it ships, but small enough for a test."""
    shipped = yaml.safe_load(heroes.hero_files()["dio"].read_text())
    shipped["model"]["architecture"] |= {**SHAPE, "vocab_size": ROWS}
    shipped["training"] |= {"max_length": 64, "batch_size": 2, "gradient_accumulation": 1}
    shipped["training"] |= {"learning_rate": 2e-3, "warmup_steps": 5}
    return yaml.safe_dump(shipped, allow_unicode=True)


def test_a_tokenizer_that_the_model_has_no_rows_for_is_refused(tmp_path: Path, squire: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    shutil.copytree(squire, home.models / "squire")
    tokenizer = json.loads((squire / "tokenizer.json").read_bytes())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary |= {f"word{number}": len(vocabulary) + number for number in range(400)}
    (home.models / "squire" / "tokenizer.json").write_text(json.dumps(tokenizer))
    with running("trainer", home) as trainer:
        assert trainer.wait(60) == 78
    assert "its tokenizer names" in log_of(home)


def bring(home: Home, hero_id: str, content: str) -> Path:
    file = home.configs / "heroes" / f"{hero_id}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def test_dio_from_a_local_folder_is_made_and_trains_a_quest(
    tmp_path: Path, download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of dio but its size: the home says how large its dio is."""
    home = Home(tmp_path / "home")
    bring(home, "dio", _small_dio())
    monkeypatch.chdir(download.parent)
    told = realm(home, "init", "--hero", "dio", "--from", download.name).stdout
    assert f"DIO stands ready in {home.models / 'dio'}" in told
    assert json.loads(home.config_file.read_bytes()) == {"model_name": "dio", "base_model": str(download)}
    realm(home, "config", "set", "seals.dry_minutes", 0)
    (home.inbox / "quest.jsonl").write_bytes(QUEST)
    with running("queue_watcher", home), running("trainer", home) as trainer:
        eventually(lambda: QuestQueue(home).names("recently_completed") or trainer.poll() is not None)
    assert QuestQueue(home).names("recently_completed"), log_of(home)
    losses = [row["loss"] for row in read_metrics(home.metrics)]
    assert losses[-1] < losses[0]


def test_the_model_folder_is_the_same_however_the_download_is_named(
    tmp_path: Path, home: Home, download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(home, "dio", _small_dio())
    monkeypatch.chdir(download.parent)
    realm(home, "hero", "build", "dio", "--from", download.name)
    folder = home.models / "dio"
    heroes.check_base_model(folder, str(download))
    assert heroes.load_hero(folder / heroes.HERO_FILE) == heroes.get_hero("dio", home.configs)
    assert json.loads((folder / "generation_config.json").read_bytes())["eos_token_id"] == [
        ChatTokenizer.load(folder).turn_end,
        ChatTokenizer.load(folder).text_end,
    ]
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o644}
    assert "<think>" not in (folder / "chat_template.jinja").read_text()


def test_a_folder_of_another_shape_or_without_chatml_is_refused_in_one_sentence(
    tmp_path: Path, home: Home, download: Path
) -> None:
    refused = realm(home, "hero", "build", "dio", "--from", download, ends_with=1)
    assert refused.stderr == "Error: hero dio: the loaded model has hidden_size 64, the hero file says 1024\n"
    bring(home, "dio", _small_dio())
    wordless = tmp_path / "wordless"
    wordless.mkdir()
    for file in download.iterdir():
        (wordless / file.name).write_bytes(file.read_bytes().replace(b"<|im_end|>", b"<|in_end|>"))
    refused = realm(home, "hero", "build", "dio", "--from", wordless, ends_with=1)
    assert refused.stderr == "Error: hero dio: the loaded tokenizer has no <|im_end|>, which chats are written with\n"
    assert list(home.models.iterdir()) == []
    (wordless / "model.safetensors").write_bytes(b"cut")
    for folder in (tmp_path, wordless):
        refused = realm(home, "hero", "build", "dio", "--from", folder, ends_with=1)
        assert refused.stderr.startswith(f"Error: hero dio: cannot load '{folder}': ")


def test_a_home_may_bring_heroes_of_its_own(home: Home) -> None:
    page = heroes.hero_files()["squire"].read_text().replace("id: squire", "id: page")
    bring(home, "page", page.replace("name: Squire", "name: Page").replace("hidden_size: 128", "hidden_size: 64"))
    assert "page     Page The Apprentice" in realm(home, "hero", "ls").stdout
    assert "choose one of dio, page, squire" in realm(home, "hero", "build", "zara", ends_with=1).stderr
    assert realm(home, "init", "--hero", "page").stdout.count("Page") == 2
    assert realm(home, "config", "get", "training.learning_rate").stdout == "0.003\n"
    model = json.loads((home.models / "page" / "config.json").read_bytes())
    assert model["hidden_size"] == 64


def test_a_heros_file_that_cannot_be_used_is_named(home: Home) -> None:
    file = bring(home, "page", heroes.hero_files()["squire"].read_text())
    told = realm(home, "hero", "build", "page", ends_with=1).stderr
    assert told == f"Error: {file}: its id is squire: name the file squire.yaml\n"
    bring(home, "page", "id: page")
    assert f"{file}: Object missing required field" in realm(home, "init", "--hero", "page", ends_with=1).stderr


def test_a_saved_hero_is_the_one_that_was_loaded(tmp_path: Path) -> None:
    for hero_id in heroes.hero_files():
        heroes.save_hero(heroes.get_hero(hero_id), tmp_path / "hero.yaml")
        assert heroes.load_hero(tmp_path / "hero.yaml") == heroes.get_hero(hero_id)
