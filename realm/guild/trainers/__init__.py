"""The skills that live in this process, a package for each; configs/skills/ says which exist."""

__all__ = ["bin"]
