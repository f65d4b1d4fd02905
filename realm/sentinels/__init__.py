"""The sentinels: protection and health. What other rooms may use is listed here."""

__all__ = ["audit", "finding", "health_inspector", "migration", "patient"]
