"""The hero in numbers, each of them measured; None where it was not."""

from collections.abc import Iterable

from msgspec import Struct

from realm.core.game import GOLD_PER_QUEST, STEPS_PER_LEVEL
from realm.guild.progression import Standing


class HeroStats(Struct, frozen=True, kw_only=True):
    xp: int | None  # optimizer steps
    attack: float | None  # 1 / training loss
    defence: float | None  # 1 / validation loss
    accuracy: float | None  # mean over the skills of their latest exam at the training level
    gold: int | None  # completed quests x 100

    @property
    def level(self) -> int | None:
        return None if self.xp is None else self.xp // STEPS_PER_LEVEL


def hero_stats(
    steps: int | None,
    loss: float | None,
    validation_loss: float | None,
    completed_quests: int | None,
    standings: Iterable[Standing],
) -> HeroStats:
    exams = [one.latest.accuracy for one in standings if one.latest]
    return HeroStats(
        xp=steps,
        attack=1 / loss if loss else None,
        defence=1 / validation_loss if validation_loss else None,
        accuracy=sum(exams) / len(exams) if exams else None,
        gold=None if completed_quests is None else completed_quests * GOLD_PER_QUEST,
    )
