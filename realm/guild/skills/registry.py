"""The skills of a realm: the YAML files that ship, and those in the home's configs/skills/. No other list exists."""

from pathlib import Path

from realm.core.paths import Home, home, shipped_configs
from realm.guild.skills.contract import SkillError, Trainer
from realm.guild.skills.definition import Skill, load_skill
from realm.guild.skills.http_trainer import HttpTrainer
from realm.guild.skills.in_process import InProcessTrainer


def list_skills() -> list[str]:
    """Ids. Raises SkillError if two files have the same."""
    return sorted(_files())


def load_skills() -> dict[str, Skill]:
    """By id. Raises SkillError for the first file that cannot be used."""
    return {skill_id: _load(skill_id, file) for skill_id, file in sorted(_files().items())}


def get_skill(skill_id: str) -> Skill:
    """Raises SkillError for an id that no file has, and for a file that cannot be used."""
    files = _files()
    if skill_id not in files:
        raise SkillError(f"unknown skill {skill_id!r}: choose one of {', '.join(sorted(files))}, or add it in {_own()}")
    return _load(skill_id, files[skill_id])


def get_trainer(skill_id: str) -> Trainer:
    """Its package in this process, or the client of its server. Nothing is asked of a server yet. Raises SkillError."""
    return trainer_of(get_skill(skill_id))


def trainer_of(skill: Skill) -> Trainer:
    return HttpTrainer(skill) if skill.in_process is None else InProcessTrainer(skill, skill.in_process)


def _own() -> Path:
    return Home(home()).configs / "skills"


def _files() -> dict[str, Path]:
    """Names that begin with _ are no skills. Raises SkillError for an id that ships and is the home's, too."""
    shipped, own = (
        {file.stem: file for file in folder.glob("*.yaml") if not file.stem.startswith("_")}
        for folder in (shipped_configs() / "skills", _own())
    )
    if twice := sorted(shipped.keys() & own.keys()):
        raise SkillError(
            f"{shipped[twice[0]]} and {own[twice[0]]} both describe {twice[0]}: give yours another id, and its file "
            "that name"
        )
    return shipped | own


def _load(skill_id: str, file: Path) -> Skill:
    skill = load_skill(file)
    if skill.id != skill_id:
        raise SkillError(f"{file}: its id is {skill.id}: name the file {skill.id}.yaml")
    return skill
