from pathlib import Path

import pytest

from realm.core.config import ConfigError, Gatekeepers, load_config
from realm.core.current_config import CurrentConfig


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def test_without_a_file_or_a_section_the_shipped_values_hold(config: Path) -> None:
    assert load_config(config).gatekeepers == Gatekeepers()
    config.write_text('{"model_name": "squire"}')
    assert load_config(config).gatekeepers == Gatekeepers()


def test_a_section_changes_what_it_names(config: Path) -> None:
    config.write_text('{"gatekeepers": {"overlong": "reject", "overlong_share": 0.5}}')
    assert load_config(config).gatekeepers == Gatekeepers(overlong="reject", overlong_share=0.5)


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
        ('{"gatekeepers": []}', "gatekeepers is \\[\\]: an object"),
        ("{", "not valid JSON"),
    ],
)
def test_a_wrong_section_is_refused_as_a_whole(config: Path, content: str, problem: str) -> None:
    config.write_text(content)
    with pytest.raises(ConfigError, match=problem):
        load_config(config)


def test_while_it_is_invalid_the_last_good_one_goes_on_and_the_problem_is_named(config: Path) -> None:
    current = CurrentConfig(config)
    assert current.look()
    assert not current.look()
    config.write_text('{"gatekeepers": {"overlong": "off"}}')
    assert current.look()
    good = current.value
    assert good
    assert good.gatekeepers.overlong == "off"
    config.write_text('{"gatekeepers": {"overlong": "of"}}')
    assert current.look()
    assert current.value == good
    assert "gatekeepers.overlong is 'of'" in str(current.problem)
    config.write_text('{"gatekeepers": {"overlong": "reject"}}')
    assert current.look()
    assert current.problem is None


def test_one_that_was_never_valid_has_no_value(config: Path) -> None:
    config.mkdir()
    current = CurrentConfig(config)
    current.look()
    assert current.value is None
    assert current.problem
