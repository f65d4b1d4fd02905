"""A chat with a model: in a terminal, turn by turn, or in a pipe, once."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from realm.cli.failures import sentence
from realm.cli.terminal import echo_lines, fields, printable
from realm.oracle.client import OracleClient, OracleRefused, OracleUnreachable, Usage

PROMPT = "\x01\x1b[1m\x02›\x01\x1b[0m\x02 "  # what is between \x01 and \x02, readline counts as no cells
HELP = (
    ("/model NAME", "go on with another model"),
    ("/system TEXT", "another system prompt, from the next turn on; without TEXT: none"),
    ("/clear", "forget what was said"),
    ("/save FILE", "write what was said as a line of JSON, which can be dropped as a quest"),
    ("Ctrl-C", "stop the answer"),
    ("Ctrl-D", "end the chat"),
)


class Chat:
    """What was said, and to whom."""

    def __init__(self, client: OracleClient, model: str, system: str | None, options: dict[str, Any]):
        self.client, self.model, self.system, self.options = client, model, system, options
        self.turns: list[dict[str, str]] = []
        self.speed = Speed()

    @property
    def messages(self) -> list[dict[str, str]]:
        return [*([{"role": "system", "content": self.system}] if self.system else []), *self.turns]

    def ask(self, prompt: str) -> Generator[str, None, None]:
        """The answer as it comes. What came is remembered, also if it is closed; a prompt without answer is not."""
        self.turns.append({"role": "user", "content": prompt})
        self.speed = Speed()
        said = ""
        try:
            with closing(self.client.stream(self.messages, self.model, **self.options)) as pieces:
                for piece in pieces:
                    self.speed.saw(piece.text, piece.usage)
                    said += piece.text
                    yield piece.text
        finally:
            if said:
                self.turns.append({"role": "assistant", "content": said})
            else:
                self.turns.pop()


class Speed:
    """How fast an answer came, by the clock of who asked."""

    def __init__(self) -> None:
        self._asked = self._last = time.monotonic()
        self._first: float | None = None
        self._tokens: int | None = None

    def saw(self, text: str, usage: Usage | None) -> None:
        self._last = time.monotonic()
        if text and self._first is None:
            self._first = self._last
        if usage:
            self._tokens = usage.completion_tokens

    def __str__(self) -> str:
        if self._first is None:
            return "no text came"
        first = f"first after {self._first - self._asked:.2f} s"
        if not self._tokens or self._tokens < 2 or self._last == self._first:
            return first
        return f"{self._tokens:,} tokens · {(self._tokens - 1) / (self._last - self._first):,.0f} tokens/s · {first}"


def say_once(chat: Chat, prompt: str) -> None:
    """The answer on stdout as it is, its speed on stderr. Raises OracleRefused, OracleUnreachable."""
    if not prompt.strip():
        raise click.ClickException("there is no prompt: give one as the second argument, or on stdin")
    for text in chat.ask(prompt):
        click.echo(text, nl=False)
    click.echo()
    click.echo(f"{chat.model} · {chat.speed}", err=True)


# In a terminal


def converse(chat: Chat) -> None:
    """Until Ctrl-D."""
    import readline  # noqa: F401 - gives input() editing and a history

    click.echo(f"🔮 {click.style(printable(chat.model), bold=True)} at {chat.client.url} · /help · Ctrl-D ends")
    while (line := _read()) is not None:
        try:
            if line.startswith("/"):
                _obey(chat, line)
            elif line.strip():
                _answer(chat, line)
        except click.ClickException as error:
            click.secho(error.format_message(), fg="red")
        except (OracleRefused, OracleUnreachable, OSError) as error:
            click.secho(sentence(error), fg="red")
        except KeyboardInterrupt:  # it came as the answer ended
            click.echo()


def _read() -> str | None:
    """A line; "" after Ctrl-C, None after Ctrl-D."""
    try:
        return input(PROMPT)
    except KeyboardInterrupt:
        click.echo()
        return ""
    except EOFError:
        click.echo()
        return None


def _answer(chat: Chat, prompt: str) -> None:
    """Prints it as it comes, until its end or Ctrl-C."""
    end = ""
    with closing(chat.ask(prompt)) as answer:
        try:
            for text in answer:
                click.echo(_shown(text), nl=False)
        except KeyboardInterrupt:
            end = "stopped · "
    click.echo(f"\n{click.style(f'  {end}{chat.speed}', dim=True)}")


def _shown(text: str) -> str:
    """With its lines; what could steer the terminal is escaped."""
    return "\n".join(printable(line) for line in text.expandtabs(4).split("\n"))


def _obey(chat: Chat, line: str) -> None:
    """Raises click.ClickException for what is no command, OSError."""
    name, _, rest = line.partition(" ")
    act = COMMANDS.get(name)
    if act is None:
        raise click.ClickException(f"{printable(name)} is unknown here: {', '.join(COMMANDS)}")
    act(chat, rest.strip())


def _help(chat: Chat, rest: str) -> None:
    echo_lines(fields(HELP))


def _change_model(chat: Chat, name: str) -> None:
    if not name:
        raise click.ClickException("which one? " + ", ".join(printable(one.name) for one in chat.client.models()))
    chat.model = name
    click.echo(f"{printable(name)} answers from now on")


def _change_system(chat: Chat, text: str) -> None:
    chat.system = text or None
    click.echo("the system prompt is changed" if text else "there is no system prompt")


def _clear(chat: Chat, rest: str) -> None:
    chat.turns.clear()
    click.echo("forgotten")


def _save(chat: Chat, name: str) -> None:
    if not name or not chat.turns:
        raise click.ClickException("name a file" if chat.turns else "nothing was said yet")
    with Path(name).expanduser().open("xb") as file:
        file.write(msgspec.json.encode({"messages": chat.messages}) + b"\n")
    click.echo(f"{len(chat.turns)} turns are in {printable(name)}")


COMMANDS: dict[str, Callable[[Chat, str], None]] = {
    "/help": _help,
    "/model": _change_model,
    "/system": _change_system,
    "/clear": _clear,
    "/save": _save,
}
