"""A skill's file tells whoever wrote it where it is wrong, and how to mend it."""

from pathlib import Path

import pytest

from realm.core.paths import shipped_configs
from realm.guild.skills import SkillError
from realm.guild.skills.definition import Skill, load_skill

GOOD = (Path(__file__).parent / "adder.yaml").read_text()


def test_the_file_says_all_that_a_skill_is() -> None:
    skill = load_skill(Path(__file__).parent / "adder.yaml")
    assert (skill.id, skill.version, skill.max_level, skill.threshold) == ("adder", "1.0.0", 3, 0.9)
    assert (skill.icon, skill.color, skill.api_url) == ("➕", "#10B981", "http://127.0.0.1:8091")
    assert skill.levels == {1: "One digit", 2: "Two digits", 3: "Three digits"}
    assert (skill.in_process, skill.signs) == (None, (" + ", " ="))


def test_the_template_is_a_skill_that_names_every_key() -> None:
    file = shipped_configs() / "skills" / "_template.yaml"
    assert load_skill(file).max_level == 3
    for key in Skill.__struct_fields__:
        assert f"\n{key}:" in file.read_text() or f"\n# {key}:" in file.read_text(), key


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("icon: ➕", "icons: ➕", 6, "unknown field `icons`"),
        ("icon: ➕\n", "", 2, "missing required field `icon`"),
        ("version: 1.0.0", "version: 1.0", 4, "Expected `str`, got `float`"),
        ("category: math", "category: maths", 8, "Invalid enum value 'maths'"),
        ("threshold: 0.9", "threshold: 80", 13, "<= 1"),
        ("threshold: 0.9", "threshold: 0.9\nthreshold: 0.8", 14, "threshold stands here a second time"),
        ("  2: Two digits", "  1: Two digits", 16, "1 stands here a second time"),
        ("  2: Two digits", "  4: Two digits", 16, "level 4 stands where level 2 belongs"),
        ("  2: Two digits", "  2: 22", 16, "level 2 needs a name"),
        ("  2: Two digits", "  2:", 16, "level 2 needs a name"),
        ("  2: Two digits", "  2: [Two", 17, "while parsing|expected|did not find"),
        ("levels:\n  1: One digit\n  2: Two digits\n  3: Three digits\n", "levels: 3\n", 14, "one line for each level"),
        ("id: adder", "id: My-Skill", 2, "`$.id`"),
        (":8091", ":80910", 12, "out of range"),
        ("http://127.0.0.1:8091", "127.0.0.1:8091", 12, "`$.api_url`"),
        ("threshold: 0.9", "in_process: adder", 18, "signs is for a skill that is not in this process"),
        ("icon: ➕", "icon: !!python/object:os.system x", 6, "could not determine a constructor"),
        ("icon: ➕", "icon: *nobody", 6, "undefined alias"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    assert old in GOOD
    file = tmp_path / "adder.yaml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(SkillError) as raised:
        load_skill(file)
    said = str(raised.value)
    assert said.startswith(f"{file}, line {line}: "), said
    assert any(one in said for one in reason.split("|")), said


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"\xff\xfe", b"\x00", b"just words"])
def test_what_is_no_skill_at_all_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "adder.yaml"
    file.write_bytes(content)
    with pytest.raises(SkillError, match=f"^{file}"):
        load_skill(file)
