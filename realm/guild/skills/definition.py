"""A skill's file: configs/skills/<id>.yaml. Whoever writes one is told file, line and key of what is wrong."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import yaml
from msgspec import Meta, Struct, ValidationError, convert

from realm.guild.skills.contract import SkillError

ID = "[a-z][a-z0-9]{0,15}"  # it stands in names of files, units and daemons
Text = Annotated[str, Meta(min_length=1)]
Category = Literal[
    "reasoning", "math", "compression", "generation", "classification", "tool_use", "instruction", "code"
]


class Skill(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the file says it; configs/skills/_template.yaml explains every key."""

    id: Annotated[str, Meta(pattern=f"^{ID}$")]
    name: Text
    version: Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    description: Text
    category: Category
    icon: Text
    color: Annotated[str, Meta(pattern="^#[0-9A-Fa-f]{6}$")]
    short_name: Annotated[str, Meta(min_length=1, max_length=8)]
    rpg_name: Text
    rpg_description: Text
    api_url: Annotated[str, Meta(pattern=r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?$")]
    levels: dict[int, str]  # 1, 2, 3, ... -> name
    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.8  # mean accuracy of an exam window that masters a level
    in_process: str | None = None  # package of realm.guild.trainers; else its server is asked
    signs: tuple[Text, ...] = ()  # of a skill that is not in this process

    def __post_init__(self) -> None:
        try:
            _ = urlsplit(self.api_url).port
        except ValueError as error:
            raise ValueError(f"api_url is {self.api_url}: {error}") from None
        if self.in_process is not None and self.signs:
            raise ValueError("signs is for a skill that is not in this process: its package has them, take them out")

    @property
    def max_level(self) -> int:
        return len(self.levels)


def load_skill(file: Path) -> Skill:
    """Raises SkillError naming file, line and reason."""
    try:
        text = file.read_text(encoding="utf-8")
        page = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SkillError(f"{file}: {error}") from None
    except yaml.MarkedYAMLError as error:
        raise _at(file, error.problem_mark, str(error.problem)) from None
    except yaml.YAMLError as error:
        raise SkillError(f"{file}: {error}") from None
    if not isinstance(page, yaml.MappingNode):
        raise SkillError(f"{file}: no keys and values: copy _template.yaml and fill it in")
    _check_keys(file, page)
    _check_levels(file, page)
    try:
        return convert(content, Skill)
    except ValidationError as error:
        raise _at(file, _mark_of(page, str(error)), str(error)) from None


def _check_keys(file: Path, page: yaml.MappingNode) -> None:
    """YAML itself would take the last one."""
    seen: set[str] = set()
    for key, value in page.value:
        if key.value in seen:
            raise _at(file, key.start_mark, f"{key.value} stands here a second time: keep one of them")
        seen.add(key.value)
        if isinstance(value, yaml.MappingNode):
            _check_keys(file, value)


def _check_levels(file: Path, page: yaml.MappingNode) -> None:
    levels = next((value for key, value in page.value if key.value == "levels"), None)
    if levels is None:
        return  # a missing key is told like any other
    if not isinstance(levels, yaml.MappingNode) or not levels.value:
        raise _at(file, levels.start_mark, "levels holds one line for each level, such as `1: Beginner`")
    for number, (key, name) in enumerate(levels.value, start=1):
        if key.value != str(number):
            raise _at(file, key.start_mark, f"level {key.value} stands where level {number} belongs: count from 1 up")
        if name.tag != "tag:yaml.org,2002:str" or not name.value.strip():
            raise _at(file, key.start_mark, f'level {number} needs a name: write {number}: "NAME"')


def _mark_of(page: yaml.MappingNode, reason: str) -> yaml.Mark | None:
    """Where the key stands that msgspec complains of; the beginning of the file for one that is missing."""
    marks = {key.value: key.start_mark for key, _ in page.value}
    named = re.search(r"\$\.(\w+)|unknown field `(.*)`|^(api_url|signs) is ", reason)
    mark: yaml.Mark | None = marks.get(named and named[named.lastindex or 0], page.start_mark)
    return mark


def _at(file: Path, mark: yaml.Mark | None, reason: str) -> SkillError:
    return SkillError(f"{file}, line {mark.line + 1}: {reason}" if mark else f"{file}: {reason}")
