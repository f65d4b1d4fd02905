"""Exams through the Oracle of another machine: a daemon of its own home, with the same checkpoints by copy."""

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from realm.arena.battle.chat import TEXT_END, TURN_END, TURN_START, ChatTokenizer
from realm.core.checkpoint_ledger import canonical_name
from realm.core.paths import Home
from realm.core.status import OracleStatus, is_locked, read_status
from realm.guild.annals import Graded, read_annals
from realm.guild.exam_book import PAPERS_FILE, read_report
from realm.guild.exams import Paper, Report, place_in
from realm.guild.skills import get_trainer
from realm.oracle import keys
from realm.oracle.client import OracleClient, other_hosts
from realm.scrolls import exam_task
from realm.scrolls.exam import examine
from realm.scrolls.exam_elsewhere import BrokenOff, main
from realm.scrolls.exam_task import ITEMS, sit
from tests.arena.realm_home import eventually, log_of
from tests.oracle.conftest import ask, put_checkpoint
from tests.ports import free_port

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SAME, OTHER, ONLY_HERE = (canonical_name(500 * n, FIRST + timedelta(hours=n)) for n in (3, 2, 1))
MOST = 8  # tokens of an answer
SCHEDULER = (
    "import sys; from pathlib import Path; from realm.guild import scheduler; scheduler.POLL = 0.02; "
    "scheduler.main(Path(sys.argv[1]), worker=(sys.executable, '-m', 'tests.guild.prompt_exam'), port=0)"
)


class Box:
    """The other machine."""

    def __init__(self, root: Path):
        self.home, self.port = Home(root), free_port()
        self.home.create()
        self.home.config_file.write_text(json.dumps({"oracle": {"port": self.port}}))
        self.fates("live", 0)

    def fates(self, fate: str, at: int) -> None:
        """What befalls it, `at` questions from now."""
        marks = self.home.root / "marks"
        asked = marks.read_text().count("/v1/chat/completions") if marks.exists() else 0
        (self.home.root / "fate").write_text(f"{fate} {asked + at}")

    def start(self) -> None:
        with (self.home.logs / "oracle.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.scrolls.other_oracle", self.home.root]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(lambda: self._url() is not None)

    def _url(self) -> str | None:
        assert self.process.poll() is None, log_of(self.home, "oracle")
        said = read_status(self.home.status / OracleStatus.FILE, OracleStatus)
        return said.url if said and is_locked(self.home.locks / "oracle.lock") else None

    @property
    def is_frozen(self) -> bool:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> Iterator[Box]:
    box = Box(tmp_path_factory.mktemp("box") / "home")
    for number in (3, 2):
        put_checkpoint(box.home, squire, 500 * number, FIRST + timedelta(hours=number))
    box.start()
    yield box
    box.end()


@pytest.fixture
def home(tmp_path: Path, box: Box, squire: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Of the trainer: the box has a copy of one checkpoint, of another the name alone, and lacks the third."""
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    box.fates("live", 0)
    put_checkpoint(home, squire, 500, FIRST + timedelta(hours=1))
    put_checkpoint(home, home.current_model / ONLY_HERE, 1000, FIRST + timedelta(hours=2))
    shutil.copytree(box.home.current_model / SAME, home.current_model / SAME)
    register(home, box.port)
    return home


def register(home: Home, port: int, local: str = "4090") -> None:
    def host(role: str, port: int) -> dict[str, object]:
        services = {"inference": {"port": port}}
        return {"name": role, "address": "127.0.0.1", "role": role, "hostnames": [], "services": services}

    hosts = {"4090": host("trainer", free_port()), "box": host("inference", port)}
    (home.configs / "hosts.json").write_text(json.dumps({"version": 1, "hosts": hosts, "local_host": local}))


def papers_of(home: Home, exam: str) -> tuple[Report, list[Paper]]:
    lines = (home.exams / exam / PAPERS_FILE).read_bytes().splitlines()
    return read_report(home, exam), [msgspec.json.decode(line, type=Paper) for line in lines]


def exams_of(home: Home) -> list[Path]:
    return list(home.exams.glob("*/*"))


def test_its_papers_are_those_of_an_exam_in_this_process(home: Home, box: Box) -> None:
    """Level 1 has answers that the end of the text ends."""
    report = sat_as_here(home, 1)
    assert place_in(report) == "the Oracle on box, cpu: it has these weights, by name and SHA-256"
    marks = (box.home.root / "marks").read_text().splitlines()
    mark = f"{SAME}/bin/v{get_trainer('bin').VERSION}/l1"
    assert marks.count(f"/v1/chat/completions {mark}") == ITEMS
    assert {f"/models/info {mark}", f"/models/load {mark}"} <= {*marks}
    assert len(marks) == sum(line.endswith(mark) for line in marks)


def sat_as_here(home: Home, level: int) -> Report:
    """The report of an exam elsewhere, whose papers and score are those of this process."""
    report, papers = papers_of(home, sit(home, "auto", SAME, "bin", level))
    trainer = get_trainer("bin")
    here, same = examine(home.current_model / SAME, "bin", trainer, trainer.exam(level, ITEMS, SAME), "cpu")
    assert papers == same
    assert len({paper.answer for paper in papers}) > ITEMS / 2
    assert {paper.finished for paper in papers} == {True, False}
    neutral: dict[str, object] = {"generation": {}, "sat_at": ""}
    assert msgspec.structs.replace(report, **neutral) == msgspec.structs.replace(here, **neutral)
    settings = ("decoding", "max_new_tokens", "extractor")
    assert [report.generation[key] for key in settings] == [here.generation[key] for key in settings]
    return report


def test_a_hundred_greedy_answers_through_the_daemon_equal_plain_generate(box: Box, chat: ChatTokenizer) -> None:
    """One at a time and together, streamed and whole."""
    dice, client = random.Random(11), OracleClient(f"http://127.0.0.1:{box.port}")
    texts = ["".join(dice.choices("①⓪ abcdefgh+", k=dice.randint(1, 120))) for _ in range(100)]
    model = AutoModelForCausalLM.from_pretrained(box.home.current_model / SAME).eval()
    expected = [plain(model, chat, text) for text in texts]
    assert len(set(expected)) > 50

    def streamed(text: str) -> str:
        pieces = client.stream([{"role": "user", "content": text}], SAME, temperature=0, max_tokens=MOST)
        return "".join(piece.text for piece in pieces)

    def whole(text: str) -> str:
        messages = [{"role": "user", "content": text}]
        body = {"model": SAME, "messages": messages, "temperature": 0, "max_tokens": MOST}
        return str(ask(box.port, "/v1/chat/completions", body)[1]["choices"][0]["message"]["content"])

    for answer in (streamed, whole):
        assert [answer(text) for text in texts] == expected
        with ThreadPoolExecutor(24) as people:
            assert list(people.map(answer, texts)) == expected


def plain(model: PreTrainedModel, chat: ChatTokenizer, text: str) -> str:
    prompt, stop = chat.prompt([{"role": "user", "content": text}]), [chat.turn_end, chat.text_end]
    ids, settings = torch.tensor([prompt]), {"max_new_tokens": MOST, "do_sample": False, "pad_token_id": chat.pad}
    out = model.generate(ids, attention_mask=torch.ones_like(ids), eos_token_id=stop, **settings)  # type: ignore[operator]
    return chat.decode([token for token in out[0, len(prompt) :].tolist() if token not in stop])


def test_a_checkpoint_that_is_only_here_is_examined_here_and_the_report_says_why(home: Home) -> None:
    place = place_in(papers_of(home, sit(home, "cpu", ONLY_HERE, "bin", 1))[0])
    assert place == f"cpu: config.json asks for it; box: its Oracle has no {ONLY_HERE}"


def test_who_states_no_digest_answers_no_exam(home: Home, box: Box) -> None:
    box.fates("silence", 0)
    place = place_in(papers_of(home, sit(home, "cpu", SAME, "bin", 1))[0])
    assert place == "cpu: config.json asks for it; box: its Oracle states no digest of weights"


def test_where_no_oracle_answers_it_is_examined_here(home: Home) -> None:
    port = free_port()
    register(home, port)
    place = place_in(papers_of(home, sit(home, "cpu", SAME, "bin", 1))[0])
    assert place == f"cpu: config.json asks for it; box: no Oracle answers at http://127.0.0.1:{port}"


def test_a_copy_that_is_damaged_there_is_told_by_that_oracle(home: Home, box: Box) -> None:
    lone = box.home.current_model / ONLY_HERE
    shutil.copytree(home.current_model / ONLY_HERE, lone)
    (lone / "model.safetensors").chmod(0o644)
    with (lone / "model.safetensors").open("ab") as weights:
        weights.write(b"x")
    place = place_in(papers_of(home, sit(home, "cpu", ONLY_HERE, "bin", 1))[0])
    shutil.rmtree(lone)
    assert "is not what was saved" in str(place)


def test_this_machines_own_oracle_sits_no_exam(home: Home, box: Box) -> None:
    assert other_hosts(home) == ["box"]
    register(home, box.port, local="box")
    assert other_hosts(home) == ["4090"]


def test_other_weights_by_the_same_name_are_no_exam_of_anybody(home: Home) -> None:
    with pytest.raises(ValueError, match=rf"box has other weights by the name {OTHER}: .* copy it there again"):
        sit(home, "auto", OTHER, "bin", 1)
    assert exams_of(home) == []


def test_weights_that_change_during_an_exam_are_no_exam_of_anybody(home: Home, box: Box) -> None:
    box.fates("swap", ITEMS)
    with pytest.raises(BrokenOff, match="left the memory of box during its exam, or was loaded again"):
        sit(home, "auto", SAME, "bin", 1)
    assert exams_of(home) == []


def test_another_tokenizer_there_is_no_exam_of_anybody(home: Home, box: Box) -> None:
    """The digest is of the weights alone; a question of another length tells."""
    tokenizer = box.home.current_model / SAME / "tokenizer.json"
    ours = tokenizer.read_bytes()
    spelled = msgspec.json.decode(ours)
    spelled["added_tokens"] = [
        one for one in spelled["added_tokens"] if one["content"] in (TURN_START, TURN_END, TEXT_END)
    ]
    spelled["model"]["merges"] = []
    tokenizer.chmod(0o644)
    tokenizer.write_bytes(msgspec.json.encode(spelled))
    client = OracleClient(f"http://127.0.0.1:{box.port}")
    try:
        reload(client)
        with pytest.raises(ValueError, match="box answers as .* copy its folder there again, tokenizer and all"):
            sit(home, "auto", SAME, "bin", 1)
    finally:
        tokenizer.write_bytes(ours)
        reload(client)
    assert exams_of(home) == []


def reload(client: OracleClient) -> None:
    def loaded_at() -> list[str]:
        return [one["loaded_at"] for one in client.info()["models"] if one["name"] == SAME]

    before = loaded_at()
    client.reload(SAME)
    eventually(lambda: loaded_at() not in ([], before))


def test_a_key_that_is_missing_is_told_with_where_it_belongs(home: Home, box: Box, tmp_path: Path) -> None:
    locked = Box(tmp_path / "locked")
    settings = {"port": locked.port, "host": "0.0.0.0"}
    locked.home.config_file.write_text(json.dumps({"oracle": settings}))
    shutil.copytree(box.home.current_model / SAME, locked.home.current_model / SAME)
    register(home, locked.port)
    locked.start()
    try:
        with pytest.raises(
            ValueError, match=r"a key is needed here.*; put the admin key .* secrets/oracle-of-box\.key"
        ):
            sit(home, "auto", SAME, "bin", 1)
        shutil.copy(locked.home.secrets / keys.READ, home.secrets / keys.OF_HOST.format("box"))
        with pytest.raises(ValueError, match=r"needs the admin key.*; put the admin key .* secrets/oracle-of-box\.key"):
            sit(home, "auto", SAME, "bin", 1)
    finally:
        locked.end()
    assert exams_of(home) == []


def test_an_exam_that_is_elsewhere_needs_no_memory_here(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exam_task, "exam_shortage", lambda weights: "an exam needs more")
    main(home, SAME)
    main(home, OTHER)  # the exam itself tells what is wrong with that one
    with pytest.raises(SystemExit, match=f"box: its Oracle has no {ONLY_HERE}"):
        main(home, ONLY_HERE)
    with pytest.raises(BrokenOff, match=f"an exam needs more; box: its Oracle has no {ONLY_HERE}"):
        sit(home, "auto", ONLY_HERE, "bin", 1)
    assert str(place_in(sat_as_here(home, 2))).startswith("the Oracle on box, cpu: ")


@contextmanager
def scheduler(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    home.config_file.write_text(json.dumps({"curriculum": {"enabled": True, "batch": 40, "strategy": "focus"}}))
    (home.locks / "scheduler.starts").unlink(missing_ok=True)
    with (home.logs / "scheduler.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", SCHEDULER, home.root], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def graded(home: Home) -> list[Graded]:
    return [line for line in read_annals(home) if isinstance(line, Graded)]


def test_a_scheduler_killed_during_an_exam_elsewhere_grades_it_once(home: Home, box: Box) -> None:
    box.fates("freeze", 20)
    with scheduler(home) as first:
        eventually(lambda: box.is_frozen, what="an exam in its middle")
        first.kill()
        first.wait()
    box.process.send_signal(signal.SIGCONT)
    with scheduler(home):
        eventually(lambda: graded(home), what="the exam's line in the annals")
    (exam,) = graded(home)
    assert (exam.checkpoint, len(exams_of(home))) == (SAME, 1)
    assert str(place_in(read_report(home, exam.exam))).startswith("the Oracle on box, cpu: ")


def test_an_oracle_killed_during_an_exam_leaves_nothing_and_it_is_sat_again(home: Home, box: Box) -> None:
    box.fates("die", 20)
    with scheduler(home):
        eventually(lambda: graded(home), what="the exam's line in the annals")
    assert box.process.wait(60) == -signal.SIGKILL
    log = log_of(home, "scheduler")
    assert "event=not-evaluated" in log
    assert "the exam on box broke off: " in log
    assert "; it is tried again" in log
    (exam,) = graded(home)
    assert (exam.checkpoint, len(exams_of(home))) == (SAME, 1)
    assert f"box: no Oracle answers at http://127.0.0.1:{box.port}" in str(place_in(read_report(home, exam.exam)))
