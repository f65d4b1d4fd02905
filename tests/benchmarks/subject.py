"""What is trained in the benchmarks: heroes of a Qwen3's shape with 4,096 tokens, and quests of short chats."""

from pathlib import Path
from random import Random

import msgspec

from realm.armory import quiet, smithy
from realm.armory.heroes import Architecture, BuiltModel, Hero, TokenizerPlan
from realm.core.config import Training

HERO = "bench"
WORDS = 4096 - 256 - 6  # whole words that are one token each, beside the bytes and three control tokens and roles
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ROLES = ["system", "user", "assistant"]
TYPICAL, SPREAD, SHORTEST, LONGEST = 110.0, 0.6, 40, 400  # tokens of a chat, log-normal
TEMPLATE_TOKENS = 10  # of a question and its answer, beside their words

TRAINING = Training(
    precision="fp32",
    max_length=512,
    batch_size=4,
    gradient_accumulation=1,
    learning_rate=1e-3,
    warmup_steps=0,
    checkpoint_steps=1_000_000,
    checkpoint_dtype="fp32",
    eval_steps=0,
    holdout=0.0,
)


def _architecture(width: int, layers: int, heads: int, inner: int) -> Architecture:
    return Architecture(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=width // heads,
        max_position_embeddings=16384,
        rope_theta=10000.0,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        initializer_range=0.02,
    )


TINY = _architecture(width=32, layers=2, heads=2, inner=64)
SIX_MILLION = _architecture(width=256, layers=4, heads=4, inner=1280)
SIXTY_MILLION = _architecture(width=640, layers=11, heads=10, inner=2048)


def parameters(architecture: Architecture) -> int:
    return architecture.parameters(vocab_size=4096)


def make_hero(folder: Path, architecture: Architecture, training: Training = TRAINING) -> Path:
    """Its model folder, with random weights that are the same each time."""
    quiet.silence_transformers()
    hero = Hero(
        id=HERO,
        name="Bench",
        title="The Measured",
        icon="⏱",
        description="Trained by the benchmarks alone.",
        model=BuiltModel(architecture=architecture, seed=1),
        chat_template="chatml",
        training=training,
        tokenizer=TokenizerPlan(control=CONTROL, signs_of=[], words=[*ROLES, *_words()]),
    )
    return smithy.build_hero(hero, folder, signs=())


def _words() -> list[str]:
    consonants, vowels = "bcdfghjklmnprstvwz", "aeiou"
    syllables = [consonant + vowel for consonant in consonants for vowel in vowels]
    return [first + second for first in syllables for second in syllables][:WORDS]


def forge(count: int, seed: int = 1) -> bytes:
    """A quest of short chats: half of each is the question, half the answer."""
    random = Random(seed)
    lengths = (min(LONGEST, max(SHORTEST, random.lognormvariate(0, SPREAD) * TYPICAL)) for _ in range(count))
    return b"".join(chat(random, int(length)) for length in lengths)


def chat(random: Random, tokens: int) -> bytes:
    """One line of about so many tokens: a word and the space after it are one each."""
    words, each = _words(), (tokens - TEMPLATE_TOKENS) // 4
    ask, answer = (" ".join(random.choices(words, k=max(1, each))) for _ in range(2))
    turns = [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    return msgspec.json.encode({"messages": turns}) + b"\n"
