"""Typed settings with ranges: every value a battle is fought with is named, bounded and validated here."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

Precision = Literal["fp32", "bf16", "pure_bf16"]
CheckpointDtype = Literal["fp32", "bf16"]
Fraction = Annotated[float, Meta(ge=0.0, le=0.5)]


class Training(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a hero is trained. Fields without a default must be stated: there is no safe guess for them.

    One optimizer step takes about `batch_size * gradient_accumulation * max_length` tokens; one forward pass
    never holds more than `batch_size * max_length` padded tokens, which is what memory is proportional to.
    """

    precision: Precision  # fp32; bf16: autocast over fp32 weights; pure_bf16: weights and moments rounded by chance
    max_length: Annotated[int, Meta(ge=16, le=32768)]  # tokens of one example
    batch_size: Annotated[int, Meta(ge=1, le=1024)]  # examples of full length in one forward pass
    gradient_accumulation: Annotated[int, Meta(ge=1, le=1024)]  # such passes in one optimizer step
    learning_rate: Annotated[float, Meta(ge=1e-9, le=1e-1)]  # after the warm-up
    checkpoint_steps: Annotated[int, Meta(ge=1)]  # optimizer steps from one checkpoint to the next
    checkpoint_dtype: CheckpointDtype  # of a checkpoint's weights
    eval_steps: Annotated[int, Meta(ge=0)]  # optimizer steps from one validation to the next; 0: never
    warmup_steps: Annotated[int, Meta(ge=0)] = 100  # of a campaign, while the rate rises
    decay_from: Annotated[int, Meta(ge=0)] = 0  # step at which the learning rate begins to fall; 0: never
    decay_steps: Annotated[int, Meta(ge=1)] = 1000  # how many it falls for
    weight_decay: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.01  # of AdamW
    beta1: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.9  # of AdamW
    beta2: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.99  # of AdamW
    gradient_clip: Annotated[float, Meta(gt=0.0)] = 1.0  # largest norm of a step's gradient
    gradient_checkpointing: bool = False  # takes less memory and more time
    packed: bool = True  # a pass is one row of examples that do not see each other; false: padded rows
    profile: Literal["none"] = "none"  # what is done to messages before they are tokenised
    overlong: Literal["drop", "truncate", "fail"] = "drop"  # what becomes of an example longer than max_length
    holdout: Fraction = 0.01  # share of a quest's lines kept for validation, chosen by hash
    seed: Annotated[int, Meta(ge=0, lt=2**62)] = 1  # of the order of examples, and of every other choice
    exact: bool = True  # deterministic algorithms and a fixed thread count

    @property
    def tokens_per_pass(self) -> int:
        return self.batch_size * self.max_length

    @property
    def tokens_per_step(self) -> int:
        return self.tokens_per_pass * self.gradient_accumulation

    @property
    def digest(self) -> str:
        """Twelve hex digits that change when any setting does."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:12]


# Settings that may change at a step; all others of Training are taken at the next claim, as they shape its stream.
AT_A_STEP = (
    "learning_rate",
    "warmup_steps",
    "decay_from",
    "decay_steps",
    "weight_decay",
    "beta1",
    "beta2",
    "gradient_clip",
    "eval_steps",
    "checkpoint_steps",
)


class Seals(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When training is made durable."""

    minutes: Annotated[float, Meta(ge=0.01, le=240)] = 10.0  # between seals, unless the budget asks for more
    first_minutes: Annotated[float, Meta(ge=0.0, le=240)] = 2.0  # after a start
    gb_per_day: Annotated[float, Meta(ge=0.1)] = 100.0  # GiB that seals may write in a day
    max_unsealed_minutes: Annotated[float, Meta(ge=1, le=1440)] = 60.0  # on a full disk, before training waits
    dry_minutes: Annotated[float, Meta(ge=0.0, le=240)] = 1.0  # after the queue has been empty for so long
    max_open_claims: Annotated[int, Meta(ge=1, le=256)] = 256  # ended quests that no seal covers; more bring one


class Retention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stays. Checkpoints: the latest, the best by each metric, the last few, and every so many'th."""

    last: Annotated[int, Meta(ge=1)] = 5  # newest checkpoints
    every: Annotated[int, Meta(ge=1)] = 10  # of all checkpoints, one in so many
    ended_quests: Annotated[int, Meta(ge=1)] = 1000  # newest folders in recently_completed/, and as many in failed/
    ended_gb: Annotated[float, Meta(ge=0.0)] = 20.0  # GiB that the folders of each may take


Action = Literal["reject", "warn", "off"]


class Gatekeepers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which findings reject a drop, which only warn, and the bounds they go by.

    Findings that have no field here reject always: the trainer could not read such a line.
    """

    empty_content: Action = "reject"  # a message without any text
    overlong: Action = "warn"  # more than `overlong_share` of the sample is longer than the hero's max_length
    overlong_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.05  # of the sample that may be over-long
    example_count: Action = "warn"  # the sidecar counts other examples than there are lines
    unknown_key: Action = "warn"  # the sidecar has a key that nobody reads
    sample_lines: Annotated[int, Meta(ge=1, le=100)] = 100  # of each quest, tokenised to learn its lengths


Strategy = Literal["equal", "focus", "weighted", "catch_up"]


class SkillPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A skill's part in the curriculum."""

    enabled: bool = True  # it is taught and examined
    priority: Annotated[int, Meta(ge=1, le=99)] = 1  # of strategy focus; the smallest number comes first
    weight: Annotated[float, Meta(gt=0.0, le=1000.0)] = 1.0  # of strategy weighted


class Mix(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares of a batch that are not of the training level."""

    below: Fraction = 0.25  # of the mastered levels, in equal parts, so that they are not forgotten
    above: Fraction = 0.4  # of the three levels after it, in equal parts: what they teach is never learned by heart


class Curriculum(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the scheduler teaches, and how often it examines."""

    enabled: bool = False  # the scheduler drops batches and examines checkpoints; a preset sets it
    strategy: Strategy = "equal"  # which skill is next: each in turn, by priority, by weight, or the lowest
    skills: dict[str, SkillPlan] = {}  # plans by skill, as in others
    others: SkillPlan = SkillPlan()  # the plan of every skill that `skills` does not name
    mix: Mix = Mix()
    batch: Annotated[int, Meta(ge=1, le=1_000_000)] = 3000  # examples of one quest
    min_queue_depth: Annotated[int, Meta(ge=0, le=1000)] = 2  # fewer waiting quests bring a batch; 0: exams only
    exam_minutes: Annotated[float, Meta(ge=0.0, le=10080)] = 30.0  # a checkpoint by order so often; 0: never by order


class Tavern(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the pages are served. A change is obeyed when the tavern starts again."""

    host: Annotated[str, Meta(pattern=r"^(localhost|[0-9A-Fa-f:.]+)$")] = "127.0.0.1"  # another needs a token
    port: Annotated[int, Meta(ge=1, le=65535)] = 8888


class Oracle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models that answer. A change is obeyed when the oracle starts again."""

    host: Annotated[str, Meta(pattern=r"^(localhost|[0-9A-Fa-f:.]+)$")] = "127.0.0.1"  # another needs keys
    port: Annotated[int, Meta(ge=1, le=65535)] = 8765
    memory_gb: Annotated[float, Meta(gt=0, le=10_000)] = 8.0  # 10^9 bytes of all models in memory, keys and values too
    cache_tokens: Annotated[int, Meta(ge=256, le=2**24)] = 16384  # of questions and answers that a model keeps
    backend: Literal["embedded", "openai"] = "embedded"  # who answers: this process, or the server at `upstream`
    upstream: Annotated[str, Meta(pattern="^https?://[^?#]*[^?#/]$")] | None = None  # such as http://127.0.0.1:8000


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config.json of a home. Everything has a default; `training` holds what differs from the hero's own settings."""

    model_name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")] = "squire"  # the hero's id
    base_model: Annotated[str, Meta(min_length=1)] | None = None  # folder or hub name; default: the hero's own
    training: dict[str, Any] = {}
    seals: Seals = Seals()
    retention: Retention = Retention()
    release_when_idle_minutes: Annotated[float, Meta(ge=0)] = 30.0  # 0: never
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: cuda where there is one; cuda: waits until there is
    devices: Annotated[int, Meta(ge=1, le=64)] = 1  # of this machine that train together; obeyed at the next load
    sharded: bool = False  # each device keeps a slice of the weights and moments (FSDP2); at the next load
    compile: bool = False  # steps as machine code of torch.compile, made at the next load; needs a C++ compiler
    kernels: Literal["torch", "liger"] = "torch"  # of norms and SwiGLU; liger: Triton's, on GPUs; at the next load
    lora_rank: Annotated[int, Meta(ge=0, le=1024)] = 0  # of adapters beside frozen weights, 0: none; at the next load
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"  # adamw_8bit: moments of 8 bits; obeyed at the next load
    threads: Annotated[int, Meta(ge=1, le=1024)] | None = None  # CPU threads of each; default: torch's
    gatekeepers: Gatekeepers = Gatekeepers()
    curriculum: Curriculum = Curriculum()
    tavern: Tavern = Tavern()
    oracle: Oracle = Oracle()


class ConfigError(ValueError):
    """A config.json that cannot be used. `problems` has one sentence for each wrong key."""

    def __init__(self, file: Path, problems: list[str]):
        super().__init__(f"{file}: " + "; ".join(problems))
        self.problems = problems


def load_config(file: Path) -> Config:
    """The defaults if there is no file. Raises ConfigError."""
    return config_of(read_raw(file), file)


def read_raw(file: Path) -> Any:
    """The JSON in the file, {} if there is none. Raises ConfigError."""
    try:
        return msgspec.json.decode(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(file, [f"it cannot be read: {error.strerror}"]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(file, [f"not valid JSON: {error}"]) from None


def config_of(raw: Any, file: Path) -> Config:
    """The config that a JSON value says. `file` is named by errors. Raises ConfigError."""
    if problems := problems_of(raw, Config):
        raise ConfigError(file, problems)
    config = msgspec.convert(raw, Config)
    if problems := _contradictions(config):
        raise ConfigError(file, problems)
    return config


def _contradictions(config: Config) -> list[str]:
    """One sentence for each setting that another one excludes."""
    problems = [*_contradictions_of_oracle(config.oracle), *_contradictions_of_sharded(config)]
    if config.compile and config.kernels == "liger":
        problems.append("compile makes kernels of its own: set kernels torch, or compile false")
    return problems


def _contradictions_of_oracle(oracle: Oracle) -> list[str]:
    if oracle.backend == "openai" and oracle.upstream is None:
        return ["oracle.backend openai needs a server: set oracle.upstream first, such as http://127.0.0.1:8000"]
    if oracle.upstream and oracle.upstream.endswith("/v1"):
        return [f"oracle.upstream is {oracle.upstream!r}: leave out /v1, which is added to it"]
    if oracle.upstream in tuple(f"http://{name}:{oracle.port}" for name in ("127.0.0.1", "localhost", oracle.host)):
        return [f"oracle.upstream is {oracle.upstream!r}, the oracle itself: name the server behind it"]
    return []


def _contradictions_of_sharded(config: Config) -> list[str]:
    if not config.sharded:
        return []
    problems = (
        [] if config.devices > 1 else ["sharded needs several devices: set devices to 2 or more, or sharded false"]
    )
    if config.compile:
        problems.append("sharded and compile exclude each other: set one of them false")
    if config.optimizer == "adamw_8bit":
        problems.append("sharded moments are not coded: set optimizer adamw, or sharded false")
    return problems


def training_of(config: Config, hero_training: Training, file: Path) -> Training:
    """The hero's settings with the config's changes. Raises ConfigError."""
    merged = {**msgspec.to_builtins(hero_training), **config.training}
    if problems := problems_of(merged, Training, "training."):
        raise ConfigError(file, problems)
    return msgspec.convert(merged, Training)


def problems_of(raw: Any, expected: type[Struct], prefix: str = "") -> list[str]:
    """One sentence for each wrong key of a section: its name, its value, and what is allowed."""
    if not isinstance(raw, dict):
        return [f"{prefix.rstrip('.') or 'the file'} is {raw!r}: an object with keys is expected"]
    fields = {field.name: field for field in msgspec.structs.fields(expected)}
    problems = [f"{prefix}{key} is unknown: the keys here are {', '.join(fields)}" for key in raw if key not in fields]
    for name, field in fields.items():
        if name not in raw:
            if field.required:
                problems.append(f"{prefix}{name} is missing")
        elif isinstance(field.type, type) and issubclass(field.type, Struct):
            problems += problems_of(raw[name], field.type, f"{prefix}{name}.")
        elif isinstance(raw[name], dict) and (section := _section_in(field.type)):
            for key, value in raw[name].items():
                problems += problems_of(value, section, f"{prefix}{name}.{key}.")
        else:
            problems += _problem(f"{prefix}{name}", raw[name], field.type)
    return problems


def _section_in(expected: Any) -> type[Struct] | None:
    """Of a field whose keys are free and whose values are sections."""
    values = get_args(expected)[1:]
    return values[0] if values and isinstance(values[0], type) and issubclass(values[0], Struct) else None


def _problem(key: str, value: Any, expected: Any) -> list[str]:
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        choices = f": choose {', '.join(map(str, get_args(expected)))}" if get_origin(expected) is Literal else ""
        return [f"{key} is {value!r}: {str(error)[:1].lower()}{str(error)[1:]}{choices}"]
    return []
