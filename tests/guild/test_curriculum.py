"""What is taught next follows from settings, standings and a number, and from nothing else."""

import random
from collections import Counter

import pytest

from realm.core.config import Curriculum, Mix, SkillPlan
from realm.guild.annals import Dispatched, Part
from realm.guild.curriculum import NothingToTeach, Taught, in_words, next_decision, preview, taught
from realm.guild.presets import PRESETS, UnknownPreset, preset_of, with_preset
from realm.guild.progression import Standing


def at(**mastered: int) -> dict[str, Standing]:
    return {
        skill: Standing(skill=skill, max_level=30, threshold=0.8, mastered_level=n) for skill, n in mastered.items()
    }


TWO = at(bin=4, sy=2)


def skills(settings: Curriculum, count: int, standings: dict[str, Standing] = TWO) -> list[str]:
    return [one.skill for one in preview(count, 0, settings, standings, Taught())]


def test_equal_takes_each_in_turn() -> None:
    assert skills(Curriculum(), 4) == ["bin", "sy", "bin", "sy"]


def test_focus_takes_the_smallest_priority_until_it_is_mastered() -> None:
    settings = with_preset(Curriculum(), "sy_focus")
    assert set(skills(settings, 5)) == {"sy"}
    assert set(skills(settings, 5, at(bin=4, sy=30))) == {"bin"}


def test_weighted_keeps_its_shares_and_never_changes_its_mind() -> None:
    settings = with_preset(Curriculum(), "bin_heavy")
    drawn = skills(settings, 3000)
    assert 0.64 < Counter(drawn)["bin"] / 3000 < 0.69
    assert drawn == skills(settings, 3000)


def test_catch_up_takes_the_lowest() -> None:
    assert set(skills(with_preset(Curriculum(), "catch_up"), 3)) == {"sy"}


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({1: 3000}, "3,000 of level 1"),
        ({1: 750, 2: 2250}, "2,250 of level 2, 750 of level 1"),
        ({1: 187, 2: 187, 3: 188, 4: 188, 5: 2250}, "2,250 of level 5, 750 of levels 1-4"),
        ({1: 66, 2: 67, 3: 67, 4: 700, 5: 100}, "100 of level 5, 700 of level 4, 200 of levels 1-3"),
        ({1: 10, 3: 10, 4: 80}, "80 of level 4, 10 of level 3, 10 of level 1"),
    ],
)
def test_a_batch_in_words(counts: dict[int, int], words: str) -> None:
    assert in_words([Part(level, 0, count) for level, count in counts.items()]) == words


def test_all_mastered_they_are_kept_up() -> None:
    decision = next_decision(0, Curriculum(), at(bin=30, sy=30), Taught())
    assert decision.reason.startswith("every enabled skill is mastered")
    assert decision.parts[-1].level == 30


def test_a_disabled_skill_is_never_taught() -> None:
    assert set(skills(Curriculum(skills={"bin": SkillPlan(enabled=False)}), 10)) == {"sy"}


def test_nothing_to_teach_is_said() -> None:
    with pytest.raises(NothingToTeach, match="no skill is enabled"):
        next_decision(0, Curriculum(others=SkillPlan(enabled=False)), TWO, Taught())
    with pytest.raises(
        NothingToTeach, match=r"names juggling, but .* are bin, sy: choose .* configs/skills/juggling\.yaml"
    ):
        next_decision(0, Curriculum(skills={"juggling": SkillPlan()}), TWO, Taught())


def test_a_batch_is_of_the_training_level_with_shares_of_others() -> None:
    settings = Curriculum(batch=1000, mix=Mix(below=0.2, above=0.1))
    parts = next_decision(0, settings, at(bin=3), Taught()).parts
    counts = {part.level: part.count for part in parts}
    assert counts == {1: 66, 2: 67, 3: 67, 4: 700, 5: 33, 6: 33, 7: 34}


def test_at_both_ends_the_shares_go_to_the_training_level() -> None:
    settings = Curriculum(batch=100, mix=Mix(below=0.2, above=0.1))
    assert [(p.level, p.count) for p in next_decision(0, settings, at(bin=0), Taught()).parts] == [
        (1, 90),
        (2, 3),
        (3, 3),
        (4, 4),
    ]
    top = next_decision(0, settings, at(bin=30), Taught())
    assert top.count == 100
    assert max(part.level for part in top.parts) == 30


def test_whatever_happens_no_item_is_ever_dispatched_twice_and_a_number_decides_alone() -> None:
    dice = random.Random(7)
    standings, lines, seen = dict(TWO), [], set()
    for number in range(300):
        settings = with_preset(
            Curriculum(
                batch=dice.randint(1, 50), mix=Mix(below=dice.choice([0.0, 0.3]), above=dice.choice([0.0, 0.2]))
            ),
            dice.choice(["balanced", "bin_heavy", "catch_up", "sy_focus"]),
        )
        before = taught(lines)
        decision = next_decision(number, settings, standings, before)
        assert decision == next_decision(number, settings, standings, taught(lines))
        assert decision.count == settings.batch
        for part in decision.parts:
            items = {(decision.skill, part.level, part.first_index + n) for n in range(part.count)}
            assert not items & seen
            seen |= items
        line = Dispatched(number=number, skill=decision.skill, version="1", parts=decision.parts, reason="", at="")
        lines.append(line)
        if dice.random() < 0.1:
            skill = dice.choice(["bin", "sy"])
            standings |= at(**{skill: min(30, standings[skill].mastered_level + 1)})


def test_a_preview_is_what_then_happens_and_changes_nothing() -> None:
    before = Taught({("bin", 5): 10})
    shown = preview(5, 0, Curriculum(), TWO, before)
    assert before == Taught({("bin", 5): 10})
    lines: list[Dispatched] = []
    so_far = Taught(before)
    for number in range(5):
        decision = next_decision(number, Curriculum(), TWO, so_far)
        assert decision == shown[number]
        lines.append(
            Dispatched(number=number, skill=decision.skill, version="1", parts=decision.parts, reason="", at="")
        )
        so_far = before | taught(lines)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_resets_what_it_does_not_name_and_leaves_the_machine_alone(name: str) -> None:
    lingering = Curriculum(
        strategy="weighted",
        skills={"bin": SkillPlan(enabled=False, priority=9, weight=7.0), "juggling": SkillPlan(weight=3.0)},
        others=SkillPlan(enabled=False),
        batch=17,
        exam_minutes=5.0,
    )
    chosen = with_preset(lingering, name)
    assert chosen == with_preset(Curriculum(batch=17, exam_minutes=5.0), name)
    assert chosen.enabled
    assert preset_of(chosen) == name


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownPreset, match="choose balanced, bin_focus"):
        with_preset(Curriculum(), "bin-only")
