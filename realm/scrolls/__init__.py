"""Scrolls: utilities, one file each, that need no daemon. What other rooms may use is listed here."""

__all__ = ["convert", "exam", "forge", "train"]
