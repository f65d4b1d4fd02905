"""Named curricula. A preset sets the strategy and the plan of every skill; what it does not name is reset."""

from msgspec import Struct
from msgspec.structs import replace

from realm.core.config import Curriculum, SkillPlan, Strategy


class Preset(Struct, frozen=True, kw_only=True):
    description: str
    strategy: Strategy
    skills: dict[str, SkillPlan] = {}
    others: SkillPlan = SkillPlan()  # of every skill that is not named


class UnknownPreset(ValueError):
    """There is no preset of that name."""


PRESETS = {
    "balanced": Preset(description="every skill in turn", strategy="equal"),
    "bin_focus": Preset(
        description="BIN until it is mastered, then the others",
        strategy="focus",
        skills={"bin": SkillPlan(priority=1)},
        others=SkillPlan(priority=2),
    ),
    "sy_focus": Preset(
        description="SY until it is mastered, then the others",
        strategy="focus",
        skills={"sy": SkillPlan(priority=1)},
        others=SkillPlan(priority=2),
    ),
    "bin_heavy": Preset(
        description="BIN twice as often as another skill", strategy="weighted", skills={"bin": SkillPlan(weight=2.0)}
    ),
    "sy_heavy": Preset(
        description="SY twice as often as another skill", strategy="weighted", skills={"sy": SkillPlan(weight=2.0)}
    ),
    "bin_only": Preset(
        description="BIN alone", strategy="focus", skills={"bin": SkillPlan()}, others=SkillPlan(enabled=False)
    ),
    "sy_only": Preset(
        description="SY alone", strategy="focus", skills={"sy": SkillPlan()}, others=SkillPlan(enabled=False)
    ),
    "catch_up": Preset(description="the skill with the fewest mastered levels", strategy="catch_up"),
}


def with_preset(settings: Curriculum, name: str) -> Curriculum:
    """The settings under a preset, which switches them on. How large batches are, and how often exams, stays.

    Raises UnknownPreset.
    """
    if name not in PRESETS:
        raise UnknownPreset(f"{name!r} is no preset: choose {', '.join(PRESETS)}")
    chosen = PRESETS[name]
    return replace(settings, enabled=True, strategy=chosen.strategy, skills=chosen.skills, others=chosen.others)


def preset_of(settings: Curriculum) -> str | None:
    """The name of the preset that these settings are, if they are one."""
    return next((name for name in PRESETS if with_preset(settings, name) == settings), None)
