"""The campaign's learning rate: warm-up, then constant, then (if asked for) a linear decay to zero.

It is a function of the campaign's step, never of the file, so a new quest does not begin a new schedule.
"""

from realm.core.config import Training


def learning_rate_at(step: int, training: Training) -> float:
    """The rate of the optimizer step numbered `step`, counted from 1 over the campaign's life."""
    rate = training.learning_rate
    if step <= training.warmup_steps:
        return rate * step / training.warmup_steps
    if training.decay_from and step > training.decay_from:
        return rate * max(0.0, 1.0 - (step - training.decay_from) / training.decay_steps)
    return rate
