"""The arena: training. What other rooms may use is listed here."""

__all__ = ["battle", "intake", "unlocking"]
