"""The gatekeepers: what a drop must be to become a quest.

quick      every line: parses, has a known shape, roles, text and an answer
standard   a seeded sample of the lines: their length in the hero's tokens
findings   what they found, and what it costs: rejected, or admitted with a warning
hero       whose tokenizer counts
"""

__all__ = ["findings", "hero", "quick", "standard"]
