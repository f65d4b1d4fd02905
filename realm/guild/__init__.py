"""The guild: skills, exams and progression. What other rooms may use is listed here."""

__all__ = ["exams", "trainers"]
