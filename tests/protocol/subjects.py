"""Every transition of the file protocol, and the whole life that they make up."""

from tests.protocol import (
    battle_subjects,
    chain_life,
    control_subjects,
    intake_subjects,
    order_subjects,
    queue_subjects,
    record_subjects,
)

LIFE = "life of the trainer"

SUBJECTS = (
    intake_subjects.SUBJECTS
    | queue_subjects.SUBJECTS
    | battle_subjects.SUBJECTS
    | control_subjects.SUBJECTS
    | order_subjects.SUBJECTS
    | record_subjects.SUBJECTS
)
ACTS = {name: subject.act for name, subject in SUBJECTS.items()} | {LIFE: chain_life.live}
