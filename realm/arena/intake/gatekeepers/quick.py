"""QUICK: every line of a drop parses, has the shape of its dataset spec, known roles, text, and an answer to learn."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from realm.arena.battle.profiles import Message
from realm.arena.battle.specs import SPECS, BadLine, DatasetSpec, parse_json, parse_line, recognise
from realm.arena.intake.gatekeepers.findings import Findings

NAME = "quick@1"
LONGEST_LINE = 16 * 2**20  # bytes; parsed, one wide character makes four bytes of each, several times
CROWDED_LINE = 2**20  # bytes from which on a line's objects and lists are counted: parsed, each takes a hundred
MOST_OBJECTS = 100_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    number: int  # from 1, blank lines counted
    offset: int  # of its first byte
    size: int  # bytes, without the newline
    content: bytes | None  # None if it is longer than LONGEST_LINE


def cut_lines(pieces: Iterable[bytes], longest: int = LONGEST_LINE) -> Iterator[Line]:
    """The lines of a file that arrives in pieces; holds one line at a time, and no part of one beyond `longest`."""
    number, offset, size = 1, 0, 0
    parts: list[bytes] = []
    for piece in pieces:
        *ends, rest = piece.split(b"\n")
        for end in ends:
            size += len(end)
            line = Line(number, offset, size, b"".join((*parts, end)) if size <= longest else None)
            number, offset, size = number + 1, offset + size + 1, 0
            parts.clear()  # before others look at the line: it may be long
            yield line
        size += len(rest)
        parts = [*parts, rest] if size <= longest else []
    if size:
        yield Line(number, offset, size, b"".join(parts) if size <= longest else None)


class Quick:
    """Looks at one drop. `schema_id` is the sidecar's; without one the first line that parses decides."""

    def __init__(self, schema_id: str | None, findings: Findings):
        self.examples = 0  # lines that are not blank
        self.spec: DatasetSpec | None = None
        self._findings = findings
        self._hopeless = False  # no spec will do: one finding says so, not one for each line
        self._bytes = 0
        findings.passed(NAME)
        if schema_id is not None:
            self._take_spec_of_sidecar(schema_id)

    def messages(self, line: Line) -> list[Message] | None:
        """What the line teaches; None for a blank or bad one."""
        self._bytes += line.size + 1
        if line.content is not None and (not line.content or line.content.isspace()):
            return None
        self.examples += 1
        if self._hopeless:
            return None
        try:
            return self._checked(line)
        except BadLine as error:
            self._findings.add(NAME, error.finding, error.text, error.how_to_mend, line.number)
            return None

    def end(self) -> None:
        """After the last line."""
        if self._bytes == 0:
            self._findings.add(NAME, "empty_file", "the file is empty", "write one JSON object per line")
        elif self.examples == 0:
            self._findings.add(NAME, "blank_file", "the file has only blank lines", "write one JSON object per line")

    def _checked(self, line: Line) -> list[Message]:
        if line.content is None:
            text = f"a line of {line.size:,} bytes, at most {LONGEST_LINE:,} are read"
            raise BadLine(text, "one example per line, each ending with a newline", "long_line")
        if line.size > CROWDED_LINE and (objects := line.content.count(b"{") + line.content.count(b"[")) > MOST_OBJECTS:
            text = f"a line of {objects:,} objects and lists, at most {MOST_OBJECTS:,} are read"
            raise BadLine(text, "one example per line, each ending with a newline", "long_line")
        try:
            spec = self.spec or self._recognised(line.content)
            messages = parse_line(line.content, spec)
        except BadLine as error:
            raise _by_encoding(line) or self._by_array(line) or error from None
        for number, message in enumerate(messages, start=1):
            if not message["content"] or message["content"].isspace():
                text = f"{spec.part(number, message)} has an empty text"
                self._findings.add(NAME, "empty_content", text, "give it a text or leave the line out", line.number)
        return messages

    def _by_array(self, line: Line) -> BadLine | None:
        """One reason for a whole file, where its first line shows that it is one array."""
        if line.number > 1 or not (line.content or b"").lstrip().startswith(b"["):
            return None
        self._hopeless = True
        return BadLine("a JSON array begins here", "make lines of it: jq -c '.[]' FILE.json > FILE.jsonl", "json_array")

    def _take_spec_of_sidecar(self, schema_id: str) -> None:
        self.spec = SPECS.get(schema_id)
        if self.spec is None:
            self._hopeless = True
            text = f"the sidecar's schema_id {schema_id!r} is unknown"
            self._findings.add(NAME, "unknown_schema", text, f"use one of {', '.join(sorted(SPECS))}")

    def _recognised(self, content: bytes) -> DatasetSpec:
        row = parse_json(content)
        try:
            self.spec = recognise(row)
        except BadLine as error:
            self._hopeless = error.finding in ("unknown_schema", "no_spec")
            raise
        return self.spec


def _by_encoding(line: Line) -> BadLine | None:
    """A better reason than the parser's, where the bytes themselves are wrong."""
    content = line.content or b""
    if line.number == 1 and content.startswith(_BYTE_ORDER_MARK):
        return BadLine("it begins with a byte order mark", "save it as UTF-8 without BOM", "byte_order_mark")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} of the line is {content[error.start]:#04x}"
        return BadLine(f"not valid UTF-8 ({where})", "save the file as UTF-8", "not_utf8")
    return None
