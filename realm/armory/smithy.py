"""Makes a hero's model folder: weights, tokenizer, chat template and the hero's own YAML, loadable by transformers."""

import os
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from realm.armory.heroes import (
    BASE_MODEL_FILE,
    HERO_FILE,
    Architecture,
    BuiltModel,
    Hero,
    HeroError,
    TokenizerPlan,
    save_hero,
)
from realm.core.files import publish_folder
from realm.core.paths import shipped_configs

TURN_START, TURN_END, TEXT_END = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
VOCABULARY_MULTIPLE = 64  # rows of the embedding are rounded up to it: matmuls like it


def build_hero(hero: Hero, folder: Path, *, signs: Iterable[str], source: str | None = None) -> Path:
    """Makes `folder` whole or not at all. `source` is a local folder or hub name for a pretrained hero.

    Raises HeroError; FileExistsError if the folder is there.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists: move it aside or choose another --out")
    base_model = _base_model(hero, source)
    model, tokenizer = _pretrained(hero, base_model) if base_model else _built(hero, signs)
    tokenizer.chat_template = (shipped_configs() / "heroes" / f"{hero.chat_template}.jinja").read_text()
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    model.save_pretrained(staging)
    tokenizer.save_pretrained(staging)
    _stop_rule(tokenizer).save_pretrained(staging)
    save_hero(hero, staging / HERO_FILE)
    if base_model:
        (staging / BASE_MODEL_FILE).write_text(f"{base_model}\n")
    for file in staging.iterdir():
        file.chmod(0o644)  # safetensors writes for its owner alone, and the trainer may be another user
    publish_folder(staging, folder)
    return folder


def random_model(architecture: Architecture, vocab_size: int, seed: int) -> PreTrainedModel:
    """A Qwen3 in float32 with weights drawn from `seed`; the process's own generator is left as it was."""
    config = Qwen3Config(
        vocab_size=vocab_size,
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.num_hidden_layers,
        num_attention_heads=architecture.num_attention_heads,
        num_key_value_heads=architecture.num_key_value_heads,
        head_dim=architecture.head_dim,
        max_position_embeddings=architecture.max_position_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": architecture.rope_theta},
        rms_norm_eps=architecture.rms_norm_eps,
        tie_word_embeddings=architecture.tie_word_embeddings,
        initializer_range=architecture.initializer_range,
        use_cache=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)


def byte_tokenizer(plan: TokenizerPlan, signs: Iterable[str]) -> PreTrainedTokenizerFast:
    """256 bytes without merges, plus the plan's control tokens and words, and the signs."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in plan.control])
    words = dict.fromkeys(word for word in [*signs, *plan.words] if len(word.encode()) > 1)
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in words])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=TEXT_END,
        eos_token=TURN_END,
        clean_up_tokenization_spaces=False,
    )


def _built(hero: Hero, signs: Iterable[str]) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    if not isinstance(hero.model, BuiltModel) or hero.tokenizer is None:
        raise HeroError(f"hero {hero.id}: a model with `source: built` needs a `tokenizer` section")
    tokenizer = byte_tokenizer(hero.tokenizer, signs)
    rows = -(-len(tokenizer) // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
    return random_model(hero.model.architecture, rows, hero.model.seed), tokenizer


def _base_model(hero: Hero, source: str | None) -> str | None:
    """The folder or hub name that the weights come from; None for a hero that begins with random ones."""
    if isinstance(hero.model, BuiltModel):
        if source:
            raise HeroError(f"hero {hero.id} begins with random weights: there is nothing to take from {source!r}")
        return None
    name = source or hero.model.name
    return str(Path(name).absolute()) if Path(name).exists() else name


def _pretrained(hero: Hero, name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        model = AutoModelForCausalLM.from_pretrained(name, dtype="auto")
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, SafetensorError) as error:
        raise HeroError(f"hero {hero.id}: cannot load {name!r}: {error}") from error
    _check_shape(hero, model)
    _check_control_tokens(hero, tokenizer)
    return model, tokenizer


def _check_shape(hero: Hero, model: PreTrainedModel) -> None:
    stated = hero.model.architecture
    for key in (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "vocab_size",
    ):
        found, wanted = getattr(model.config, key, None), getattr(stated, key)
        if found != wanted:
            raise HeroError(f"hero {hero.id}: the loaded model has {key} {found}, the hero file says {wanted}")


def _check_control_tokens(hero: Hero, tokenizer: PreTrainedTokenizerBase) -> None:
    for token in (TURN_START, TURN_END, TEXT_END):
        if token not in tokenizer.get_vocab():
            raise HeroError(f"hero {hero.id}: the loaded tokenizer has no {token}, which chats are written with")


def _stop_rule(tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
    """Greedy, and the end of a turn or of a text stops the answer."""
    turn_end, text_end = (tokenizer.convert_tokens_to_ids(token) for token in (TURN_END, TEXT_END))
    return GenerationConfig(do_sample=False, eos_token_id=[turn_end, text_end], pad_token_id=text_end)
