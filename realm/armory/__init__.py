"""The armory: heroes and the settings they are trained with. What other rooms may use is listed here."""

__all__ = ["calibration", "heroes", "memory", "quiet", "settings", "smithy", "vram"]
