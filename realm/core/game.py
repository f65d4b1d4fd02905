"""The game's two exchange rates. Everything else that it shows is measured."""

STEPS_PER_LEVEL = 1000  # optimizer steps, which are the hero's XP
GOLD_PER_QUEST = 100  # for each completed one
