from pathlib import Path

import pytest

from realm.arena.intake.gatekeepers.settings import CurrentSettings, Gatekeepers, load
from realm.core.config import ConfigError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def test_without_a_file_or_a_section_the_shipped_values_hold(config: Path) -> None:
    assert load(config).gatekeepers == Gatekeepers()
    config.write_text('{"model_name": "squire"}')
    assert load(config).gatekeepers == Gatekeepers()


def test_a_section_changes_what_it_names(config: Path) -> None:
    config.write_text('{"gatekeepers": {"overlong": "reject", "overlong_share": 0.5}}')
    assert load(config).gatekeepers == Gatekeepers(overlong="reject", overlong_share=0.5)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"gatekeepers": {"overlongs": "warn"}}', "gatekeepers.overlongs is unknown"),
        ('{"gatekeepers": {"overlong": "maybe"}}', "gatekeepers.overlong is 'maybe'"),
        ('{"gatekeepers": {"overlong_share": 1.5}}', "gatekeepers.overlong_share is 1.5"),
        ('{"gatekeepers": {"sample_lines": 101}}', "gatekeepers.sample_lines is 101"),
        (
            '{"gatekeepers": {"sample_lines": 0, "overlong": 1}}',
            "gatekeepers.overlong is 1: .*; gatekeepers.sample_lines",
        ),
        ('{"gatekeepers": []}', "gatekeepers"),
        ("{", "not valid JSON"),
    ],
)
def test_a_wrong_section_is_refused_as_a_whole(config: Path, content: str, problem: str) -> None:
    config.write_text(content)
    with pytest.raises(ConfigError, match=problem):
        load(config)


def test_while_it_is_invalid_the_last_good_one_goes_on_and_the_problem_is_named(config: Path) -> None:
    settings = CurrentSettings(config)
    assert settings.look()
    assert not settings.look()
    config.write_text('{"gatekeepers": {"overlong": "off"}}')
    assert settings.look()
    good = settings.value
    assert good
    assert good.gatekeepers.overlong == "off"
    config.write_text('{"gatekeepers": {"overlong": "of"}}')
    assert settings.look()
    assert settings.value == good
    assert "gatekeepers.overlong is 'of'" in str(settings.problem)
    config.write_text('{"gatekeepers": {"overlong": "reject"}}')
    assert settings.look()
    assert settings.problem is None


def test_one_that_was_never_valid_has_no_value(config: Path) -> None:
    config.mkdir()
    settings = CurrentSettings(config)
    settings.look()
    assert settings.value is None
    assert settings.problem
