"""BIN: binary arithmetic in circled digits. Levels widen the operands; every statement is true."""

from realm.guild.trainers.bin.attributes import attributes
from realm.guild.trainers.bin.bands import DIFFICULTIES, LEVELS
from realm.guild.trainers.bin.items import VERSION, Item, make, score, to_chat
from realm.guild.trainers.bin.operations import OPERATIONS
from realm.guild.trainers.bin.problems import Space, space
from realm.guild.trainers.bin.signs import SIGNS

__all__ = [
    "DIFFICULTIES",
    "LEVELS",
    "OPERATIONS",
    "SIGNS",
    "VERSION",
    "Item",
    "Space",
    "attributes",
    "make",
    "score",
    "space",
    "to_chat",
]
