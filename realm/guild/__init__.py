"""Guild: skills, exams, and the climb from level to level.

skills        what can be learned, from configs/skills/           trainers      the skills of this process
curriculum    what is taught next                                 presets       named curricula
batches       items as the lines of a quest                       dispatch      batches into the inbox, each once
exams         papers and reports                                  exam_book     exams/, one folder for each
annals        every exam and batch, one line each                 progression   levels, as a function of the annals
hero_stats    the hero in numbers                                 tasks         work for the accelerator, a queue
examiner      which exams are due, and the one being sat          scheduler     the daemon
memory        what an exam takes of this machine
plan_change   the last change of the curriculum, and its undoing
comparison    two checkpoints on the same exam items
"""

__all__ = [
    "annals",
    "batches",
    "comparison",
    "curriculum",
    "exam_book",
    "exams",
    "hero_stats",
    "memory",
    "plan_change",
    "presets",
    "progression",
    "skills",
    "tasks",
    "trainers",
]
