"""What the OpenAI API is sent: the fields that are honoured, and the neutral values of those that are not."""

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

MOST_STOPS = 4
Text = Annotated[str, Meta(min_length=1)]
Stops = Annotated[list[Text], Meta(max_length=MOST_STOPS)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Share = Annotated[float, Meta(gt=0, le=1)]
Tokens = Annotated[int, Meta(ge=1)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Bias = Annotated[float, Meta(ge=-100, le=100)]
Strength = Annotated[float, Meta(ge=0, le=1000)]

# Fields of OpenAI's that this server does not honour -> the values with which they ask for nothing.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "store": (False,),
    "service_tier": ("auto", "default"),
    "reasoning_effort": (),
    "audio": (),
    "prediction": (),
    "verbosity": (),
    "web_search_options": (),
}
REMARKS = ("user", "metadata", "safety_identifier", "prompt_cache_key")  # said about a request; they ask for nothing


PLACE = re.compile(r"`\$\.(\w+)")  # of a field, in msgspec's words


class BadRequest(ValueError):
    """`param` is the field that is wrong, if it is one; `code` is OpenAI's word for it, if there is one."""

    def __init__(self, sentence: str, param: str | None = None, code: str | None = None):
        super().__init__(sentence)
        self.param, self.code = param, code


class TextPart(Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["text"]
    text: str


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """A turn. The last five come with answers that clients send back; they must be empty."""

    role: Literal["system", "user", "assistant"]
    content: str | list[TextPart]
    refusal: None = None
    annotations: Annotated[list[Any], Meta(max_length=0)] | None = None
    audio: None = None
    function_call: None = None
    tool_calls: None = None

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(Struct, frozen=True, forbid_unknown_fields=True):
    include_usage: bool = False


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both have in common. null is as good as nothing."""

    model: Text
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: Text | Stops | None = None
    seed: Seed | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    max_tokens: Tokens | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: Annotated[dict[int, Bias], Meta(max_length=1024)] | None = None

    # What OpenAI has not.
    top_k: Annotated[int, Meta(ge=0)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    min_tokens: Annotated[int, Meta(ge=0)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    no_repeat_ngram_size: Annotated[int, Meta(ge=0, le=1000)] | None = None
    think_penalty: Strength | None = None
    post_stop_penalty: Strength | None = None

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Tokens | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None


class CompletionRequest(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prompt: Text
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None


Kind = TypeVar("Kind", bound=Request)


def request_of(body: bytes, kind: type[Kind]) -> Kind:
    """Raises BadRequest."""
    try:
        stated = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON object: {error}") from None
    asked = {name: value for name, value in stated.items() if not _asks_for_nothing(name, value, kind)}
    try:
        return msgspec.convert(asked, kind, str_keys=True)  # tokens of logit_bias
    except msgspec.ValidationError as error:
        found = PLACE.search(str(error))
        raise BadRequest(str(error), found and found[1], "invalid_value") from None


def _asks_for_nothing(name: str, value: Any, kind: type[Request]) -> bool:
    """Raises BadRequest for what would be asked for in vain."""
    if name in kind.__struct_fields__:
        return False
    if name in REMARKS:
        return True
    if name not in NEUTRAL:
        raise BadRequest(f"{name[:80]!r} is unknown here", name[:80], "unknown_parameter")
    if value is not None and value not in NEUTRAL[name]:
        raise BadRequest(f"{name} is not supported here: leave it out", name, "unsupported_parameter")
    return True
