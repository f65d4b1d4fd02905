"""An exam through the Oracle of another machine: answered there, graded here. Needs no torch.

python -m realm.scrolls.exam_elsewhere HOME CHECKPOINT     exits with 0 if one of the registry can answer for it
"""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.paths import Home
from realm.guild.exams import Generation
from realm.oracle.client import EXAM, OracleClient, OracleRefused, OracleUnreachable, oracle_of, other_hosts
from realm.oracle.keys import OF_HOST
from realm.scrolls.exam_sheet import Sheet, Written

AT_ONCE = 16  # questions; an Oracle answers so many in one batch
LOAD_LIMIT = 600.0  # seconds
BETWEEN_LOOKS = 0.2  # seconds, at a model that is being loaded


class NotElsewhere(RuntimeError):
    """No other machine can answer; the text says why of each, and is empty if the registry names none."""


class BrokenOff(RuntimeError):
    """An exam that began and has no end: nobody is graded, and it is sat again."""


class Held(Struct, frozen=True):
    """A model in an Oracle's memory: `digest` is the SHA-256 of its weights. Loaded again it is another one."""

    name: str
    loaded_at: str
    digest: str | None = None
    device: str = "a device that it does not state"


class Memory(Struct, frozen=True):
    """Of GET /models/info."""

    models: list[Held]
    failures: dict[str, str] = {}

    def held(self, name: str) -> Held | None:
        return next((model for model in self.models if model.name == name), None)


class Seat(NamedTuple):
    """Where an exam can be sat."""

    host: str
    client: OracleClient
    held: Held

    @property
    def settings(self) -> Generation:
        """For the report."""
        where = f"the Oracle on {self.host}, {self.held.device}"
        return {"device": where, "device_why": "it has these weights, by name and SHA-256"}


def find_seat(home: Home, checkpoint: str, digest: str, mark: str) -> Seat:
    """On the first other host that has these weights; they are in its memory then.

    Raises NotElsewhere, and ValueError for a host that takes no key of ours or holds other weights by that name.
    """
    reasons = []
    for host in other_hosts(home):
        client = oracle_of(home, host, {EXAM: mark})
        try:
            with _keys_are_told(host):
                held = _loaded(client, checkpoint)
        except (NotElsewhere, OracleRefused) as reason:
            reasons.append(f"{host}: {reason}")
        except OracleUnreachable:
            reasons.append(f"{host}: no Oracle answers at {client.url}")
        else:
            if held.digest == digest:
                return Seat(host, client, held)
            if held.digest:
                raise ValueError(_other_weights(host, held, digest))
            reasons.append(f"{host}: its Oracle states no digest of weights")
    raise NotElsewhere("; ".join(reasons))


def answers_of(seat: Seat, sheet: Sheet) -> list[Written]:
    """To every question, greedily. Raises BrokenOff, and ValueError for a host that tokenises otherwise."""
    try:
        with _keys_are_told(seat.host), ThreadPoolExecutor(AT_ONCE) as askers:
            written = list(
                askers.map(lambda chat, prompt: _answer(seat, sheet, chat, prompt), sheet.chats, sheet.prompts)
            )
            held = _memory(seat.client).held(seat.held.name)
    except (OracleRefused, OracleUnreachable) as error:
        raise BrokenOff(f"the exam on {seat.host} broke off: {error}") from None
    if held != seat.held:
        raise BrokenOff(f"{seat.held.name} left the memory of {seat.host} during its exam, or was loaded again")
    return written


def _answer(seat: Seat, sheet: Sheet, chat: Sequence[dict[str, str]], prompt: Sequence[int]) -> Written:
    reply = seat.client.chat(chat, seat.held.name, temperature=0, max_tokens=sheet.limit)
    if (reply.model, reply.prompt_tokens) != (seat.held.name, len(prompt)):
        raise ValueError(
            f"{seat.host} answers as {reply.model} and reads {reply.prompt_tokens} tokens where {seat.held.name} has"
            f" {len(prompt)}: copy its folder there again, tokenizer and all"
        )
    return Written(reply.text, reply.finish == "stop")


def _loaded(client: OracleClient, checkpoint: str) -> Held:
    """Raises NotElsewhere, OracleRefused, OracleUnreachable."""
    if checkpoint not in (model.name for model in client.models()):
        raise NotElsewhere(f"its Oracle has no {checkpoint}")
    until, is_asked = time.monotonic() + LOAD_LIMIT, False
    while not (held := (memory := _memory(client)).held(checkpoint)):
        if is_asked and checkpoint in memory.failures:
            raise NotElsewhere(memory.failures[checkpoint])
        if time.monotonic() > until:
            raise NotElsewhere(f"{checkpoint} did not come into its Oracle's memory within {LOAD_LIMIT:.0f} s")
        is_asked = is_asked or _begins_to_load(client, checkpoint)
        time.sleep(BETWEEN_LOOKS)
    return held


def _begins_to_load(client: OracleClient, checkpoint: str) -> bool:
    """False while others are in its way. Raises OracleRefused, OracleUnreachable."""
    try:
        client.load(checkpoint)
    except OracleRefused as refusal:
        if refusal.code != "busy":
            raise
        return False
    return True


def _memory(client: OracleClient) -> Memory:
    try:
        return msgspec.convert(client.info(), Memory)
    except msgspec.ValidationError as error:
        raise OracleUnreachable(f"what answers at {client.url} is no Oracle: {error}") from None


@contextmanager
def _keys_are_told(host: str) -> Iterator[None]:
    try:
        yield
    except OracleRefused as refusal:
        if refusal.status not in (401, 403):
            raise
        file = OF_HOST.format(host)
        raise ValueError(f"{host} refuses: {refusal}; put the admin key of its Oracle into secrets/{file}") from None


def _other_weights(host: str, held: Held, digest: str) -> str:
    return (
        f"{host} has other weights by the name {held.name}: SHA-256 {held.digest}, here {digest}; copy it there again"
    )


def main(home: Home, checkpoint: str) -> None:
    """Raises SystemExit with the reason. A host that has to be mended counts: the exam itself then says how."""
    known = {record.canonical_name: record for record in CheckpointLedger(home.current_model).list_all()}
    if checkpoint not in known:
        raise SystemExit(f"{checkpoint} is not in the ledger")
    try:
        with suppress(ValueError):
            find_seat(home, checkpoint, known[checkpoint].manifest.get("model.safetensors", ""), f"{checkpoint}/look")
    except NotElsewhere as reason:
        raise SystemExit(str(reason)) from None


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])), sys.argv[2])
