"""Skills: YAML files in configs/skills/, and the trainers behind them, in this process or behind a server."""

from realm.guild.skills.contract import SkillError, SkillUnavailable, Space, Trainer
from realm.guild.skills.definition import Skill
from realm.guild.skills.in_process import attributes_of
from realm.guild.skills.registry import get_skill, get_trainer, list_skills, load_skills

__all__ = [
    "Skill",
    "SkillError",
    "SkillUnavailable",
    "Space",
    "Trainer",
    "attributes_of",
    "get_skill",
    "get_trainer",
    "list_skills",
    "load_skills",
    "self_test",
    "server",
]
