"""The folder is the list: what ships, and what lies in the home."""

import pytest

from realm.core.paths import Home, shipped_configs
from realm.guild.skills import SkillError, get_skill, get_trainer, list_skills, load_skills
from tests.guild.skills.conftest import describe


def test_what_ships_and_what_the_home_adds(home: Home) -> None:
    shipped = list_skills()
    assert "bin" in shipped
    assert not any(name.startswith("_") for name in shipped)
    describe(home, "adder")
    assert list_skills() == sorted([*shipped, "adder"])
    assert {skill: one.id for skill, one in load_skills().items()} == {skill: skill for skill in list_skills()}
    assert get_skill("adder").name == "Addition"


def test_a_template_of_ones_own_is_no_skill(home: Home) -> None:
    describe(home, "adder").rename(home.configs / "skills" / "_adder.yaml")
    assert "adder" not in list_skills()


def test_an_unknown_skill_is_refused_with_the_known_ones_and_where_to_add_it(home: Home) -> None:
    for ask in (get_skill, get_trainer):
        with pytest.raises(SkillError, match=f"unknown skill 'bim': choose one of .*bin.*{home.configs}"):
            ask("bim")


def test_an_id_has_one_file(home: Home) -> None:
    ours = describe(home, "adder", ("id: adder", "id: bin"))
    ours = ours.rename(ours.with_name("bin.yaml"))
    for ask in (list_skills, load_skills, lambda: get_skill("bin")):
        with pytest.raises(SkillError) as raised:
            ask()
        assert str(ours) in str(raised.value)
        assert str(shipped_configs() / "skills" / "bin.yaml") in str(raised.value)


def test_a_file_is_named_after_its_skill(home: Home) -> None:
    ours = describe(home, "adder")
    ours.rename(ours.with_name("sums.yaml"))
    with pytest.raises(SkillError, match="name the file adder.yaml"):
        load_skills()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("version: 1.0.0", "version: 9.9.9", "says version 9.9.9, its package"),
        ("in_process: bin", "in_process: bim", "there is no package realm.guild.trainers.bim"),
        ("  30: Word, 32 bits\n", "", "has 29 levels, its package 30"),
    ],
)
def test_a_package_that_is_not_what_the_file_says_is_refused(home: Home, old: str, new: str, reason: str) -> None:
    text = (shipped_configs() / "skills" / "bin.yaml").read_text()
    assert old in text
    (home.configs / "skills" / "bon.yaml").write_text(text.replace("id: bin\n", "id: bon\n").replace(old, new))
    with pytest.raises(SkillError, match=reason):
        get_trainer("bon")
