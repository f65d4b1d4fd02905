"""realm skill, as a person types it."""

import re
import shutil
from pathlib import Path

import orjson
import pytest

from realm.cli.terminal import cells
from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home
from realm.guild.skills import get_skill
from realm.guild.skills.api import SkillApi
from realm.guild.skills.in_process import InProcessTrainer
from realm.guild.trainers.bin import make
from tests.cli.console import in_terminal, picture, realm

ADDER = Path(__file__).parents[1] / "guild" / "skills" / "adder.yaml"


@pytest.fixture
def home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("REALM_HOME", str(home.root))
    (home.configs / "skills").mkdir()
    return home


def add(home: Home, text: str) -> Path:
    file = home.configs / "skills" / "adder.yaml"
    file.write_text(text)
    return file


def test_ls_tells_of_every_skill_without_asking_its_server(home: Home) -> None:
    add(home, ADDER.read_text())
    lines = realm(home, "skill", "ls").stdout.splitlines()
    assert "➕ adder    Addition 1.0.0 · 3 levels · http://127.0.0.1:8091" in lines
    assert any(line.startswith("🔢 bin ") and line.endswith("30 levels · in this process") for line in lines)
    told = {one["id"]: one for one in orjson.loads(realm(home, "skill", "ls", "--json").stdout)}
    assert (told["adder"]["max_level"], told["adder"]["levels"]["2"]) == (3, "Two digits")


def test_a_broken_file_is_one_sentence_with_its_line(home: Home) -> None:
    file = add(home, ADDER.read_text().replace("threshold: 0.9", "treshold: 0.9"))
    for words in (("ls",), ("show", "adder"), ("check", "adder"), ("sample", "adder", "--level", "1")):
        said = realm(home, "skill", *words, ends_with=1).stderr
        assert said == f"Error: {file}, line 13: Object contains unknown field `treshold`\n"


def test_show_has_every_level_with_its_size(home: Home) -> None:
    said = realm(home, "skill", "show", "bin").stdout
    assert re.search(r"^ +3  Nibble, 4 bits +9,168  split: hash$", said, flags=re.MULTILINE)
    assert re.search(r"^mastered at +80%, mean of three exams$", said, flags=re.MULTILINE)
    told = orjson.loads(realm(home, "skill", "show", "bin", "--json").stdout)
    assert told["spaces"]["1"] == {"size": 804, "split": "none"}
    narrow = in_terminal(home, "skill", "show", "bin", width=60)
    assert max(len(re.sub(r"\x1b\[\d+m", "", line)) for line in narrow.splitlines()) <= 62


def test_sample_shows_items_with_their_answers(home: Home) -> None:
    item = make(3, "train", 7)
    said = realm(home, "skill", "sample", "bin", "--level", 3, "--count", 2, "--first-index", 7).stdout
    assert f"  {item.prompt}\n" in said
    assert all(line in said for line in item.answer.splitlines())
    assert "bin-L3-train-8" in said
    ask = ("skill", "sample", "bin", "--level", 3, "--count", 6, "--split", "exam", "--seed", "x", "--json")
    told = orjson.loads(realm(home, *ask).stdout)
    assert [one["id"] for one in told[:5]] == [f"bin-L3-exam-{index}" for index in range(5)]
    assert told[5]["space_split"] == "hash"


def test_bad_requests_are_one_sentence(home: Home) -> None:
    add(home, ADDER.read_text().replace("8091", "1"))
    cases = {
        ("show", "bim"): "unknown skill 'bim': choose one of adder, bin",
        ("sample", "bin", "--level", "31"): "unknown level 31",
        ("check", "adder"): "http://127.0.0.1:1/generate: no answer: ",
        ("show", "adder"): "http://127.0.0.1:1/levels: no answer: ",
        ("check", "bin", "--url", "bin.example"): "--url bin.example: ",
    }
    for words, sentence in cases.items():
        said = realm(home, "skill", *words, ends_with=1).stderr
        assert sentence in said
        assert said.count("\n") == 1


def test_check_looks_at_the_package_and_at_a_server_elsewhere(home: Home) -> None:
    skill = get_skill("bin")
    assert "keeps its word: 4,500 items of 30 levels" in realm(home, "skill", "check", "bin").stdout
    with LoopbackServer(SkillApi(skill, InProcessTrainer(skill, "bin")).app, 0, Log("test")) as server:
        url = f"http://localhost:{server.port}"
        said = realm(home, "skill", "check", "bin", "--url", url).stdout
    assert "keeps its word: 4,500 items of 30 levels" in said
    assert url in said


def test_check_refuses_a_skill_that_grades_wrongly_and_shows_the_item(home: Home) -> None:
    skill = get_skill("bin")
    trainer = InProcessTrainer(skill, "bin")
    trainer.score = lambda answer, item: 0.0  # type: ignore[method-assign]
    with LoopbackServer(SkillApi(skill, trainer).app, 0, Log("test")) as server:
        said = realm(home, "skill", "check", "bin", "--url", f"http://localhost:{server.port}", ends_with=1)
    item = trainer.make(1, "exam", 0)
    assert "level 1: its own answer scores 0 instead of 1" in said.stdout
    assert f"  {item.prompt}\n    {item.answer}\n" in said.stdout
    assert "and 25 more" in said.stdout
    assert said.stderr == "Error: bin 1.0.0 is refused: 30 faults\n"


def test_nothing_of_it_writes(home: Home) -> None:
    add(home, ADDER.read_text())
    before = picture(home)
    for words in (("ls",), ("show", "bin"), ("sample", "bin", "--level", "1"), ("check", "bin")):
        realm(home, "skill", *words)
    assert picture(home) == before


def test_exam_is_that_of_the_scrolls(home: Home) -> None:
    helps = [realm(home, noun, "exam", "--help").stdout.partition("\n")[2] for noun in ("skill", "scroll")]
    assert helps[0] == helps[1]
    assert "--seed" in helps[0]


def test_an_exam_of_what_is_no_checkpoint_is_one_sentence(home: Home, squire: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(squire, damaged)
    ask = ("skill", "exam", "--skill", "bin", "--level", "1")
    assert (
        realm(home, *ask, home.root, ends_with=1).stderr
        == f"Error: {home.root}/tokenizer.json: No such file or directory\n"
    )
    (damaged / "model.safetensors").write_bytes(b"no weights")
    assert f"Error: {damaged}: its weights are damaged: " in realm(home, *ask, damaged, ends_with=1).stderr
    (damaged / "tokenizer.json").write_text("{")
    said = realm(home, *ask, damaged, ends_with=1).stderr
    assert said.startswith(f"Error: {damaged}/tokenizer.json: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(home: Home, width: int) -> None:
    for words in (("ls",), ("show", "bin")):
        assert max(map(cells, in_terminal(home, "skill", *words, width=width).splitlines())) <= width
