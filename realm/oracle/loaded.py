"""A model in memory, ready to answer: its tokenizer, its limits, and the engine whose thread it lives in."""

from datetime import UTC, datetime

from transformers import AutoModelForCausalLM

from realm.arena.battle.chat import ChatTokenizer
from realm.armory.memory import give_back
from realm.armory.quiet import silence_transformers
from realm.oracle.engine import Engine
from realm.oracle.footprint import Footprint
from realm.oracle.place import place_for
from realm.oracle.shelf import Volume


class LoadedModel:
    """`users` and `used_at` are the pool's to keep."""

    def __init__(self, volume: Volume, footprint: Footprint, cache_tokens: int, device: str):
        """In the precision in which it was saved. Raises OSError, ValueError, SafetensorError."""
        self.volume = volume
        self.footprint = footprint
        self.place = place_for("it", footprint.total, device)
        self.chat = ChatTokenizer.load(volume.folder)
        silence_transformers()
        model = AutoModelForCausalLM.from_pretrained(volume.folder, dtype="auto", local_files_only=True)
        self.vocabulary = int(model.config.vocab_size)
        model.to(self.place.device).eval()  # type: ignore[arg-type]  # transformers hides torch's own
        self.engine = Engine(model, cache_tokens)
        self.loaded_at = datetime.now(UTC)
        self.used_at = self.loaded_at
        self.users = 0

    @property
    def longest(self) -> int:
        """Tokens of a prompt and its answer together."""
        return self.footprint.longest

    @property
    def stop(self) -> frozenset[int]:
        return frozenset((self.chat.turn_end, self.chat.text_end))

    def end(self) -> None:
        """Gives its memory back."""
        self.engine.end()
        del self.engine
        give_back()
