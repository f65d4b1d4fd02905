"""config.json: whole-file validation; every error names key, value and what is allowed."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from realm.armory.heroes import get_hero
from realm.core.config import Config, ConfigError, load_config, training_of


def written(folder: Path, content: object) -> Path:
    file = folder / "config.json"
    file.write_bytes(content if isinstance(content, bytes) else msgspec.json.encode(content))
    return file


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path / "config.json") == Config()


def test_every_wrong_key_is_named_with_its_value_and_its_range(tmp_path: Path) -> None:
    content = {"model_name": "../x", "threads": 0, "seals": {"minuets": 3, "minutes": "ten"}, "colour": "red"}
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, content))
    text = str(caught.value)
    assert len(caught.value.problems) == 5
    assert "model_name is '../x': expected `str` matching regex" in text
    assert "threads is 0: expected `int` >= 1" in text
    assert "seals.minuets is unknown: the keys here are minutes" in text
    assert "seals.minutes is 'ten': expected `float`, got `str`" in text
    assert "colour is unknown" in text


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"seals": 3}'])
def test_what_is_no_config_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match="config.json"):
        load_config(written(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"sharded": True}, "sharded needs several devices"),
        ({"sharded": True, "devices": 2, "compile": True}, "sharded and compile exclude each other"),
        ({"sharded": True, "devices": 2, "optimizer": "adamw_8bit"}, "sharded moments are not coded"),
        ({"compile": True, "kernels": "liger"}, "compile makes kernels of its own"),
        ({"oracle": {"backend": "openai"}}, "set oracle.upstream first"),
        ({"oracle": {"upstream": "http://gpu.lan:8000/v1"}}, "leave out /v1"),
        ({"oracle": {"upstream": "http://localhost:8765"}}, "the oracle itself"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(tmp_path: Path, content: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_config(written(tmp_path, content))


def test_training_is_the_heros_with_the_changes(tmp_path: Path) -> None:
    hero = get_hero("squire")
    file = tmp_path / "config.json"
    changed = training_of(Config(training={"learning_rate": 0.001}), hero.training, file)
    assert changed == replace(hero.training, learning_rate=0.001)
    with pytest.raises(ConfigError, match=r"training.learning_rate is 7: expected `float` <= 0.1"):
        training_of(Config(training={"learning_rate": 7}), hero.training, file)
    with pytest.raises(ConfigError, match=r"training.profile is 'emoji'"):
        training_of(Config(training={"profile": "emoji"}), hero.training, file)
    with pytest.raises(ConfigError, match=r"training.batchsize is unknown"):
        training_of(Config(training={"batchsize": 7}), hero.training, file)
