"""A client of oracles, and of whatever speaks OpenAI's API; and where the oracle of a home is.

oracle = oracle_of(home)
for piece in oracle.stream([{"role": "user", "content": "①+①"}], "latest", temperature=0):
    print(piece.text, end="", flush=True)
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from realm.core.hosts import HostError, get_local_host, get_service_url, load_hosts
from realm.core.paths import Home
from realm.core.status import OracleStatus, is_locked, read_status
from realm.oracle.keys import ADMIN, OF_HOST, known_key

if TYPE_CHECKING:
    import httpx2

SERVICE = "inference"  # the oracle's name in the registry of hosts
EXAM = "X-Realm-Exam"  # header of every request of an exam: its model stays in memory
CONNECT = 10.0  # seconds: a machine that is switched off says nothing
LONGEST_REASON = 500  # characters of an answer that is no JSON

Content = TypeVar("Content")


class OracleRefused(RuntimeError):
    """The text is the server's own sentence; `status` is HTTP's number, `code` OpenAI's word for it if there is one."""

    def __init__(self, sentence: str, status: int, code: str | None = None):
        super().__init__(sentence)
        self.status, self.code = status, code


class OracleUnreachable(RuntimeError):
    """Nothing answers there, or it broke off. The text names the address and says how to mend it."""


class Model(Struct, frozen=True):
    """Of GET /v1/models. `created`: seconds since 1970."""

    name: str = msgspec.field(name="id")
    created: int = 0


class Usage(Struct, frozen=True):
    """Tokens of a question and of its answer."""

    prompt_tokens: int
    completion_tokens: int


class Piece(Struct, frozen=True):
    """Of an answer that streams. `finish` (stop, length) comes with the last text, `usage` after it."""

    text: str
    finish: str | None = None
    usage: Usage | None = None


class Reply(Struct, frozen=True):
    """A whole answer. `model` is the model's own name; token counts are None where the server tells none."""

    text: str
    finish: str | None
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None


class _Delta(Struct, frozen=True):
    content: str | None = None


class _Choice(Struct, frozen=True):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Refusal(Struct, frozen=True):
    message: str
    code: str | int | None = None


class _Chunk(Struct, frozen=True):
    """Of a stream, or the error that ends it."""

    model: str = ""
    choices: list[_Choice] = []
    usage: Usage | None = None
    error: _Refusal | None = None

    @property
    def piece(self) -> Piece:
        choice = self.choices[0] if self.choices else _Choice()
        return Piece(choice.delta.content or "", choice.finish_reason, self.usage)


class _Listing(Struct, frozen=True):
    data: list[Model]


class _Named(Struct, frozen=True):
    model: str


class _Refused(Struct, frozen=True):
    error: _Refusal


class OracleClient:
    """Asks one server. Every method raises OracleRefused and OracleUnreachable; one client serves several threads."""

    def __init__(
        self, url: str, key: str | None = None, timeout: float = 60.0, headers: Mapping[str, str] | None = None
    ):
        """`url` without /v1. `timeout`: seconds without a byte after which a server counts as gone.

        `headers` go with every request.
        """
        self.url, self._key, self._timeout = url.rstrip("/"), key, timeout
        self._headers = {"Content-Type": "application/json", **(headers or {})}

    def health(self) -> bool:
        """Whether a server answers there."""
        try:
            with self._answered("GET", "/health"):
                return True
        except (OracleRefused, OracleUnreachable):
            return False

    def models(self) -> list[Model]:
        """Those that can be asked."""
        return self._ask("GET", "/v1/models", _Listing).data

    def info(self) -> dict[str, Any]:
        """What is in memory, and what is being loaded: GET /models/info."""
        return self._ask("GET", "/models/info", dict[str, Any])

    def load(self, name: str) -> str:
        """Begins to load it; `info` shows how far it is. Returns the model's own name."""
        return self._ask("POST", "/models/load", _Named, {"model": name}).model

    def unload(self, name: str) -> str:
        return self._ask("POST", "/models/unload", _Named, {"model": name}).model

    def reload(self, name: str) -> str:
        """Loads it from its files again."""
        return self._ask("POST", "/models/reload", _Named, {"model": name}).model

    def chat(self, messages: Sequence[dict[str, str]], model: str, **options: Any) -> Reply:
        """The assistant's next message, whole. `options` are OpenAI's: temperature, seed, max_tokens, stop."""
        with closing(self._chunks(messages, model, options)) as chunks:
            told = list(chunks)
        pieces = [chunk.piece for chunk in told]
        usage = next((piece.usage for piece in pieces if piece.usage), None)
        return Reply(
            text="".join(piece.text for piece in pieces),
            finish=next((piece.finish for piece in pieces if piece.finish), None),
            model=next((chunk.model for chunk in told if chunk.model), model),
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
        )

    def stream(self, messages: Sequence[dict[str, str]], model: str, **options: Any) -> Generator[Piece, None, None]:
        """The same as it comes. It is asked when the first piece is; closing the iterator ends the answer there."""
        with closing(self._chunks(messages, model, options)) as chunks:
            for chunk in chunks:
                yield chunk.piece

    def _chunks(
        self, messages: Sequence[dict[str, str]], model: str, options: dict[str, Any]
    ) -> Generator[_Chunk, None, None]:
        import httpx2

        asked = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        is_finished = False  # not every server says [DONE], too
        with self._answered("POST", "/v1/chat/completions", {**asked, **options}) as response:
            for event in httpx2.EventSource(response):
                if event.data == "[DONE]":
                    return
                chunk = self._decoded(event.data, _Chunk)
                if chunk.error:
                    code = chunk.error.code
                    raise OracleRefused(chunk.error.message, 503, None if code is None else str(code))
                is_finished |= chunk.piece.finish is not None
                yield chunk
        if not is_finished:
            raise self._broken_off("the answer has no end")

    def _ask(self, method: str, path: str, kind: type[Content], body: Any = None) -> Content:
        with self._answered(method, path, body) as response:
            return self._decoded(response.read(), kind)

    @contextmanager
    def _answered(self, method: str, path: str, body: Any = None) -> "Iterator[httpx2.Response]":
        """The response, of which only the head was read; what fails while it is read, fails in our words."""
        import httpx2

        content = None if body is None else msgspec.json.encode(body)
        try:
            with self._http.stream(method, self.url + path, content=content) as response:
                if response.is_error:
                    raise _refusal(response.status_code, response.read())
                yield response
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise OracleUnreachable(
                f"no Oracle answers at {self.url} ({error}): `realm run oracle` starts one there, which other machines"
                " reach if its oracle.host says so"
            ) from None
        except httpx2.TransportError as error:
            raise self._broken_off(str(error) or type(error).__name__) from None

    def _broken_off(self, why: str) -> OracleUnreachable:
        return OracleUnreachable(f"the Oracle at {self.url} broke off ({why}): its log says more; ask again")

    @cached_property
    def _http(self) -> "httpx2.Client":
        import httpx2

        headers = {**self._headers, **({"Authorization": f"Bearer {self._key}"} if self._key else {})}
        timeout = httpx2.Timeout(self._timeout, connect=min(CONNECT, self._timeout))
        return httpx2.Client(headers=headers, timeout=timeout, trust_env=False)  # no proxy knows the home's net

    def _decoded(self, content: str | bytes, kind: type[Content]) -> Content:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise OracleUnreachable(f"what answers at {self.url} is no Oracle: {error}") from None


def _refusal(status: int, content: bytes) -> OracleRefused:
    try:
        error = msgspec.json.decode(content, type=_Refused).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = content.decode(errors="replace")[:LONGEST_REASON]
        return OracleRefused(f"refused with {status}: {said}", status)
    return OracleRefused(error.message, status, None if error.code is None else str(error.code))


def oracle_of(home: Home, host: str | None = None, headers: Mapping[str, str] | None = None) -> OracleClient:
    """The oracle on a host of the registry; without a host this home's own if it runs, else the registry's.

    Keys come from secrets/; `headers` go with every request. Raises HostError for a host that is unknown or has no
    oracle, StatusError.
    """
    if host is None:
        if url := own_url(home):
            return OracleClient(url, known_key(home, ADMIN), headers=headers)
        host = _only_host()
    own = ADMIN if host == _this_host() else OF_HOST.format(host)
    return OracleClient(get_service_url(SERVICE, host), known_key(home, own), headers=headers)


def other_hosts(home: Home) -> list[str]:
    """Hosts of the registry with an oracle that is not this machine's. Raises HostError, StatusError."""
    mine, own = _this_host(), own_url(home)
    return [
        name
        for name, host in load_hosts().hosts.items()
        if SERVICE in host.services and name != mine and get_service_url(SERVICE, name) != own
    ]


def own_url(home: Home) -> str | None:
    """Of this home's own oracle; None while it does not listen. Raises StatusError."""
    if not is_locked(home.locks / "oracle.lock"):
        return None
    said = read_status(home.status / OracleStatus.FILE, OracleStatus)
    return said.url if said else None


def _only_host() -> str:
    """Of several, this machine's. Raises HostError."""
    url = get_service_url(SERVICE)
    return next(
        name
        for name, host in load_hosts().hosts.items()
        if SERVICE in host.services and get_service_url(SERVICE, name) == url
    )


def _this_host() -> str | None:
    try:
        return get_local_host()
    except HostError:  # a machine that serves nobody need not be in the registry
        return None
