"""ShareGPT and Alpaca files become quests that the gatekeepers let in, or are refused item by item."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from realm.arena.intake.gatekeepers.findings import Findings
from realm.arena.intake.gatekeepers.quick import Quick, cut_lines
from realm.arena.intake.sidecars import parse_sidecar, unknown_keys
from realm.core.config import Gatekeepers
from realm.core.files import sha256_of
from realm.scrolls.convert import LONGEST_LINE, Form, NotConverted, convert

REALM = [sys.executable, "-c", "from realm.cli.main import main; main()"]


def said(*turns: tuple[str, Any], **more: Any) -> dict[str, Any]:
    return {"conversations": [{"from": speaker, "value": value} for speaker, value in turns], **more}


HELLO = said(("human", "hi"), ("gpt", "yo"))
SUM = {"instruction": "Add.", "input": "1 and 2", "output": "3"}


def jsonl(*items: Any) -> bytes:
    return b"".join(json.dumps(item, ensure_ascii=False).encode() + b"\n" for item in items)


def source_of(folder: Path, content: bytes, name: str = "source.json") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def converted(folder: Path, form: Form, *items: Any, **options: Any) -> list[list[dict[str, str]]]:
    """The messages of each line of the quest."""
    convert(form, source_of(folder, jsonl(*items)), folder / "out.jsonl", **options)
    return [json.loads(line)["messages"] for line in (folder / "out.jsonl").read_bytes().splitlines()]


def roles(messages: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages]


def test_every_speaker_of_sharegpt_becomes_a_role(tmp_path: Path) -> None:
    long = said(("system", "be brief"), ("user", "a"), ("assistant", "b"), ("human", "c 漢"), ("gpt", " d\n"))
    begun_by_gpt = said(("gpt", "what?"), ("human", "that"), id="x7", system=None, tools="")
    first, second = converted(tmp_path, "sharegpt", long, begun_by_gpt)
    assert roles(first) == [
        ("system", "be brief"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c 漢"),
        ("assistant", " d\n"),
    ]
    assert roles(second) == [("assistant", "what?"), ("user", "that")]


def test_an_alpacas_input_follows_its_instruction(tmp_path: Path) -> None:
    items = [SUM, {"instruction": "Sing.", "output": "La."}, {**SUM, "input": None}, {**SUM, "input": " "}]
    found = converted(tmp_path, "alpaca", *items, {**SUM, "instruction": "", "history": []})
    assert [messages[0]["content"] for messages in found] == ["Add.\n\n1 and 2", "Sing.", "Add.", "Add.", "1 and 2"]
    assert {messages[1]["role"] for messages in found} == {"assistant"}
    assert found[1][1]["content"] == "La."


def test_a_system_turn_is_added_where_there_is_none(tmp_path: Path) -> None:
    own = said(("human", "hi"), ("gpt", "yo"), system="mine")
    turn = said(("system", "my turn"), ("human", "hi"), ("gpt", "yo"))
    assert [messages[0] for messages in converted(tmp_path, "sharegpt", HELLO, own, turn, system="theirs")] == [
        {"role": "system", "content": text} for text in ("theirs", "mine", "my turn")
    ]
    (tmp_path / "alpaca").mkdir()
    assert [
        messages[0]["content"]
        for messages in converted(tmp_path / "alpaca", "alpaca", SUM, {**SUM, "system": "mine"}, system="theirs")
    ] == ["theirs", "mine"]


FORMS = {
    "jsonl": jsonl(HELLO, HELLO),
    "jsonl with blank lines and CR LF": b"\r\n" + jsonl(HELLO) + b"  \r\n\r\n" + jsonl(HELLO).replace(b"\n", b"\r\n"),
    "one array": json.dumps([HELLO, HELLO]).encode(),
    "a printed array": b"\n " + json.dumps([HELLO, HELLO], indent=2).encode(),
    "no newline at the end": jsonl(HELLO, HELLO)[:-1],
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("form", FORMS)
def test_lines_and_arrays_are_told_apart_by_their_first_byte(tmp_path: Path, form: str, packed: bool) -> None:
    content = FORMS[form]
    name = "source.json.gz" if packed else "source.jsonl"
    source = source_of(tmp_path, gzip.compress(content) if packed else content, name)
    assert convert("sharegpt", source, tmp_path / "out.jsonl").converted == 2
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 2


@pytest.mark.parametrize(("form", "item"), [("sharegpt", HELLO), ("alpaca", SUM)])
def test_the_gatekeepers_let_the_quest_in_and_its_sidecar_tells_where_it_is_from(
    tmp_path: Path, form: Form, item: Any
) -> None:
    source = source_of(tmp_path, jsonl(item, item, {}), "sharing ⚔️.jsonl")
    out = tmp_path / "quest.jsonl"
    convert(form, source, out, skip_bad=True, system="be brief")
    content = (tmp_path / "quest.jsonl.meta.json").read_bytes()
    sidecar = parse_sidecar(content)
    assert unknown_keys(content) == []
    assert (sidecar.generator_id, sidecar.generator_version) == (f"convert-{form}", "1")
    assert sidecar.params == {
        "source": "sharing ⚔️.jsonl",
        "source_sha256": sha256_of(source),
        "system": "be brief",
        "left_out": 1,
    }
    findings = Findings(Gatekeepers())
    quick = Quick(sidecar.schema_id, findings)
    for line in cut_lines([out.read_bytes()]):
        assert quick.messages(line)
    quick.end()
    assert (findings.verdicts, findings.warnings) == ({"quick@1": "passed"}, [])
    assert quick.examples == sidecar.example_count == 2


BAD: list[tuple[Form, Any, str]] = [
    ("sharegpt", said(("human", "x"), ("tool", "y"), ("gpt", "z")), "turn 2 is from 'tool': use one of system, human,"),
    ("sharegpt", said(("function_call", "x"), ("gpt", "z")), "turn 1 is from 'function_call': use one of"),
    ("sharegpt", said((["human"], "x"), ("gpt", "z")), "turn 1 is from \"['human']\": use one of"),  # type: ignore[arg-type]
    ("sharegpt", said(("human", "x"), ("user", "y"), ("gpt", "z")), "turns 1 and 2 are both of the user: make one"),
    ("sharegpt", said(("human", "x"), ("gpt", "y"), ("gpt", "z")), "turns 2 and 3 are both of the assistant"),
    ("sharegpt", said(("human", "x"), ("system", "y"), ("gpt", "z")), "turn 2 is a system turn: only the first turn"),
    (
        "sharegpt",
        said(("system", "x"), ("gpt", "z"), system="y"),
        "it has a system turn and a 'system' text: leave out",
    ),
    ("sharegpt", said(("human", "x")), "no assistant turn: there is nothing to learn"),
    ("sharegpt", said(("human", "x"), ("gpt", "")), "turn 2 (gpt) is empty: give its 'value' a text"),
    ("sharegpt", said(("human", " \n"), ("gpt", "x")), "turn 1 (human) is empty"),
    ("sharegpt", said(("human", "x"), ("gpt", None)), "turn 2 (gpt) is empty"),
    ("sharegpt", said(("human", "x"), ("gpt", ["y"])), "'value' is no text: give it a string"),
    ("sharegpt", {"conversations": []}, "no list of turns in 'conversations': write {"),
    ("sharegpt", {"conversations": ["hi"]}, "turn 1 is no object: write {"),
    ("sharegpt", {**HELLO, "tools": "[{}]"}, "it offers tools, and a chat_sft_v1 line cannot: leave it out"),
    ("sharegpt", {**HELLO, "system": 7}, "'system' is no text: give it a string"),
    ("sharegpt", SUM, "no list of turns in 'conversations'"),
    ("sharegpt", "hi", "a str instead of an object: write {"),
    ("alpaca", HELLO, "no 'instruction' and 'output': write {"),
    ("alpaca", {**SUM, "output": ""}, "'output' is empty: there is nothing to learn"),
    ("alpaca", {**SUM, "output": None}, "'output' is empty"),
    ("alpaca", {**SUM, "instruction": "", "input": ""}, "'instruction' is empty: give it a text"),
    ("alpaca", {**SUM, "instruction": ["x"]}, "'instruction' is no text: give it a string"),
    ("alpaca", {**SUM, "history": [["a", "b"]]}, "it has a 'history' of earlier turns: write it as a ShareGPT"),
]


@pytest.mark.parametrize(("form", "item", "reason"), BAD)
def test_an_item_that_cannot_be_converted_is_named_and_nothing_is_written(
    tmp_path: Path, form: Form, item: Any, reason: str
) -> None:
    good = HELLO if form == "sharegpt" else SUM
    source, out = source_of(tmp_path, jsonl(good) + b"\n" + jsonl(item, good)), tmp_path / "out.jsonl"
    with pytest.raises(
        NotConverted, match="1 of its 3 items cannot be converted: mend them, or leave them out"
    ) as told:
        convert(form, source, out)
    assert told.value.done.bad[0].startswith(f"line 3: {reason}")
    array = source_of(tmp_path, json.dumps([good, good, item]).encode(), "array.json")
    with pytest.raises(NotConverted) as told:
        convert(form, array, out)
    assert told.value.done.bad[0].startswith(f"item 3: {reason}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["array.json", "source.json"]
    done = convert(form, source, out, skip_bad=True)
    assert (done.converted, done.left_out) == (2, 1)
    assert len(out.read_bytes().splitlines()) == 2


BROKEN = {
    "empty": (b"", "has no items"),
    "blank": (b" \n\n", "has no items"),
    "an empty array": (b"[]", "has no items"),
    "a broken array": (
        b'[{"a": 1},\n{]',
        "is not valid JSON (.*line 2.*): write one array, or one object on each line",
    ),
    "another form": (jsonl(SUM, SUM), "none of its 2 items can be converted: is it another form?"),
    "a byte order mark": (b"\xef\xbb\xbf" + jsonl(HELLO), "begins with b'.xef', not with an array or object: save it"),
    "UTF-16": (jsonl(HELLO).decode().encode("utf-16"), "begins with b'.xff'"),
    "an endless line": (jsonl(HELLO) + b" " * (LONGEST_LINE + 2), "line 2 is longer than 67,108,864 bytes: write one"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_source_that_is_none_is_one_sentence(tmp_path: Path, case: str) -> None:
    content, reason = BROKEN[case]
    source = source_of(tmp_path, content)
    with pytest.raises(NotConverted, match=reason.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")):
        convert("sharegpt", source, tmp_path / "out.jsonl", skip_bad=True)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("cut", ["no gzip at all", "cut", "a flipped byte"])
def test_a_broken_archive_is_one_sentence(tmp_path: Path, cut: str) -> None:
    packed = bytearray(gzip.compress(jsonl(*(said(("human", f"{n}"), ("gpt", "x")) for n in range(2000)))))
    if cut == "cut":
        del packed[-100:]
    elif cut == "a flipped byte":
        packed[len(packed) // 2] ^= 255
    source = source_of(tmp_path, b"plain" if cut == "no gzip at all" else bytes(packed), "source.jsonl.gz")
    with pytest.raises(NotConverted, match="is no valid gzip file"):
        convert("sharegpt", source, tmp_path / "out.jsonl", skip_bad=True)
    assert list(tmp_path.iterdir()) == [source]


def test_nothing_is_overwritten_and_a_quest_has_a_quests_name(tmp_path: Path) -> None:
    source = source_of(tmp_path, jsonl(HELLO), "source.jsonl")
    with pytest.raises(FileExistsError, match=r"source\.jsonl exists: choose another --out"):
        convert("sharegpt", source, source)
    (tmp_path / "out.jsonl.meta.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"out\.jsonl\.meta\.json exists"):
        convert("sharegpt", source, tmp_path / "out.jsonl")
    with pytest.raises(NotConverted, match=r"out\.json is no name for a quest: let it end with \.jsonl"):
        convert("sharegpt", source, tmp_path / "out.json")
    assert not (tmp_path / "out.jsonl").exists()


def realm(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*REALM, "scroll", "convert", *map(str, words)], capture_output=True, text=True, check=False)


def test_the_command_shows_the_first_ten_and_the_total(tmp_path: Path) -> None:
    source, out = source_of(tmp_path, jsonl(*[HELLO] * 3, *["\x1b[2J"] * 25)), tmp_path / "out.jsonl"
    refused = realm("sharegpt", source, "--out", out)
    assert refused.returncode == 1
    head, *bad, rest = refused.stderr.splitlines()
    assert head == (
        f"Error: {source}: 25 of its 28 items cannot be converted: mend them, or leave them out with --skip-bad"
    )
    assert len(bad) == 10
    assert bad[0].startswith("  line 4: a str instead of an object: write {")
    assert rest == "  and 15 more"
    assert not out.exists()
    done = realm("sharegpt", source, "--out", out, "--skip-bad")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"3 chats in {out}, 25 items left out"
    assert "chats in" in realm("alpaca", source_of(tmp_path, jsonl(SUM)), "--out", tmp_path / "two.jsonl").stdout
    homeless = realm("alpaca", source, "--out", tmp_path / "no" / "out.jsonl")
    assert homeless.stderr == f"Error: {tmp_path / 'no'} is no folder: make it first, or choose another --out\n"


def test_memory_does_not_grow_with_a_jsonl_file(tmp_path: Path) -> None:
    """Sixty megabytes may take no more than a few. VmHWM is the process's own peak, unlike getrusage's after a fork."""
    line = jsonl(said(("human", "x" * 3000), ("gpt", "y" * 3000)))
    small, large = source_of(tmp_path, line, "small"), source_of(tmp_path, line * 10_000, "large")
    code = (
        "import re, sys; from pathlib import Path; from realm.scrolls.convert import convert; "
        "convert('sharegpt', *map(Path, sys.argv[1:])); "
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    kilobytes = [
        int(subprocess.check_output([sys.executable, "-c", code, source, f"{source}.jsonl"]))
        for source in (small, large)
    ]
    assert kilobytes[1] - kilobytes[0] < 20 * 1024, kilobytes
