"""The oracle: a hero's answers. What other rooms may use is listed here."""

__all__ = ["generation"]
