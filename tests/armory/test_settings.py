"""config.json as programs change it."""

from pathlib import Path

import pytest
from msgspec import UNSET

from realm.armory.settings import ChangedMeanwhile, Settings, UnknownKey
from realm.core.config import ConfigError
from realm.core.locked import Locked, write_locked
from realm.core.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    made.config_file.write_text('{"training": {"learning_rate": 0.001}, "seals": {"minutes": 5}}')
    return made


def test_every_setting_has_its_value_and_says_where_it_comes_from(home: Home) -> None:
    settings = Settings.read(home)
    assert settings.get("training.learning_rate")[1:] == (0.001, 0.003, "config.json")
    assert settings.get("training.max_length").origin == "hero"
    assert settings.get("seals.minutes")[1:] == (5.0, 10.0, "config.json")
    assert settings.get("gatekeepers.overlong")[1:] == ("warn", "warn", "default")
    keys = [one.key for one in settings.effective()]
    assert len(keys) == len(set(keys))
    assert not {"training", "seals", "gatekeepers"} & set(keys)


def test_a_change_keeps_the_rest_and_can_be_taken_out_again(home: Home) -> None:
    settings = Settings.read(home)
    settings.write(settings.changed("retention.last", 9))
    again = Settings.read(home)
    assert again.raw == {"training": {"learning_rate": 0.001}, "seals": {"minutes": 5}, "retention": {"last": 9}}
    again.write(again.changed("seals.minutes", UNSET))
    assert Settings.read(home).get("seals.minutes").value == 10.0


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("training.learning_rate", 7, "training.learning_rate is 7: expected `float` <= 0.1"),
        ("gatekeepers.overlong", "maybe", "gatekeepers.overlong is 'maybe'"),
        ("seals.minutes", "ten", "seals.minutes is 'ten'"),
    ],
)
def test_what_is_invalid_is_refused_before_it_is_written(home: Home, key: str, value: object, problem: str) -> None:
    before = home.config_file.read_bytes()
    with pytest.raises(ConfigError, match=problem):
        Settings.read(home).changed(key, value)
    assert home.config_file.read_bytes() == before


def test_an_unknown_key_is_refused_with_those_there_are(home: Home) -> None:
    with pytest.raises(UnknownKey, match=r"training.lr is unknown: the keys are .*training.learning_rate"):
        Settings.read(home).changed("training.lr", 1)


def test_a_change_by_somebody_else_is_not_overwritten(home: Home) -> None:
    settings = Settings.read(home)
    home.config_file.write_text("{}")
    with pytest.raises(ChangedMeanwhile, match="was changed meanwhile"):
        settings.write(settings.changed("retention.last", 9))
    assert home.config_file.read_text() == "{}"


def test_locked_changes_are_named(home: Home) -> None:
    write_locked(home.current_model, Locked(model_name="squire", base_model=None, max_length=512))
    settings = Settings.read(home)
    assert settings.locked_changes(settings.changed("retention.last", 9)) == []
    [refused] = settings.locked_changes(settings.changed("training.max_length", 256))
    assert "locked at 512" in refused
