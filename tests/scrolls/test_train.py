"""A whole battle on real files, without daemons."""

import stat
from pathlib import Path

import msgspec
import orjson
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.mask import BrokenMask
from realm.core.checkpoint_ledger import CheckpointLedger
from realm.scrolls import train as train_module
from realm.scrolls.forge import forge
from realm.scrolls.train import BattleFailed, Plan, Victory, train

CHANGES = {"learning_rate": 2e-3, "warmup_steps": 5, "batch_size": 4, "max_length": 256, "eval_steps": 0}


@pytest.fixture(scope="module")
def quest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forge("bin", [1, 2], 300, tmp_path_factory.mktemp("quests") / "bin.jsonl")


def battle(quest: Path, squire: Path, out: Path, **changes: object) -> Victory:
    return train(Plan([quest], squire, out, threads=2, changes={**CHANGES, **changes}))


def digest(victory: Victory) -> str:
    return victory.record.manifest["model.safetensors"]


def rows(out: Path) -> list[dict]:  # type: ignore[type-arg]
    return [orjson.loads(line) for line in (out / "metrics.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def victory(quest: Path, squire: Path, tmp_path_factory: pytest.TempPathFactory) -> Victory:
    return battle(quest, squire, tmp_path_factory.mktemp("first"))


def test_the_same_seed_and_file_give_the_same_weights(
    quest: Path, squire: Path, victory: Victory, tmp_path: Path
) -> None:
    assert digest(battle(quest, squire, tmp_path)) == digest(victory)
    assert digest(battle(quest, squire, tmp_path / "other", seed=2)) != digest(victory)


def put(folder: Path, name: str, *rows: object, **sidecar: object) -> Path:
    file = folder / f"{name}.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    if sidecar:
        (folder / f"{name}.jsonl.meta.json").write_bytes(orjson.dumps(sidecar))
    return file


def test_one_battle_over_quests_of_every_spec(quest: Path, squire: Path, tmp_path: Path) -> None:
    prompts = put(tmp_path, "prompts", *({"prompt": f"{n} + 1", "completion": f"{n + 1}!"} for n in range(60)))
    texts = put(tmp_path, "texts", {"text": "Once upon a time. " * 100})
    both = [{"prompt": "x", "completion": "y", "text": f"{n} and no more"} for n in range(60)]
    said = put(tmp_path, "said", *both, schema_id="completion_v1")
    plan = Plan([quest, prompts, texts, said], squire, tmp_path, threads=2, changes={**CHANGES, "eval_steps": 5})
    assert train(plan).record.val_loss is not None
    masks = {name: {row["mask_ratio"] for row in rows(tmp_path) if row["quest"] == name} for name in NAMES}
    assert all(0.2 < mask < 0.8 for name in ("bin.jsonl", "prompts.jsonl") for mask in masks[name])
    assert masks["texts.jsonl"] == masks["said.jsonl"] == {1.0}


NAMES = ("bin.jsonl", "prompts.jsonl", "texts.jsonl", "said.jsonl")


def test_a_quest_of_no_known_spec_is_refused_before_the_first_step(squire: Path, tmp_path: Path) -> None:
    for file, reason in (
        (put(tmp_path, "a", {"question": "x"}), "line 1: no dataset spec has the columns question"),
        (put(tmp_path, "b", {"text": "x"}, schema_id="v9"), "unknown schema_id 'v9': use one of chat_sft_v1"),
        (put(tmp_path, "c"), "it has no lines"),
    ):
        with pytest.raises(ValueError, match=reason):
            battle(file, squire, tmp_path / "out")
    assert CheckpointLedger(tmp_path / "out").list_all() == []


def test_validating_at_every_step_changes_no_weight(
    quest: Path, squire: Path, victory: Victory, tmp_path: Path
) -> None:
    watched = battle(quest, squire, tmp_path, eval_steps=1)
    assert digest(watched) == digest(victory)
    assert watched.record.val_loss is not None
    assert victory.record.val_loss is None
    assert all("validation_loss" in row for row in rows(tmp_path))


def test_the_checkpoint_is_a_plain_folder_that_transformers_loads(victory: Victory) -> None:
    model = AutoModelForCausalLM.from_pretrained(victory.folder)
    tokenizer = AutoTokenizer.from_pretrained(victory.folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Compute: add(①, ①)"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    assert model.generate(**prompt, max_new_tokens=3).shape[1] > prompt["input_ids"].shape[1]
    assert {stat.S_IMODE(file.stat().st_mode) for file in victory.folder.iterdir() if file.name != ".ledger.json"} == {
        0o444
    }


def test_the_ledger_holds_what_was_measured(victory: Victory) -> None:
    measured = rows(victory.folder.parent)
    ledger = CheckpointLedger(victory.folder.parent)
    record = ledger.get_latest()
    assert record == victory.record
    assert record.step == len(measured) == measured[-1]["step"]
    assert record.train_loss == measured[-1]["loss"]
    assert record.learning_rate == measured[-1]["learning_rate"]
    assert record.total_tokens == sum(row["tokens"] for row in measured)
    assert record.total_examples == victory.counts.trained
    assert record.epoch == 1.0
    assert ledger.verify(record) == []
    assert measured[-1]["loss"] < measured[0]["loss"]
    assert all(0.2 < row["mask_ratio"] < 0.8 for row in measured)


def test_going_on_from_a_checkpoint_counts_on_and_announces_what_is_not_equal(
    quest: Path, victory: Victory, tmp_path: Path
) -> None:
    on = train(Plan([quest], victory.folder, tmp_path, threads=1, max_steps=2, changes=CHANGES))
    assert on.record.step == victory.record.step + 2
    assert on.record.epoch is not None
    assert 0.0 < on.record.epoch < 1.0
    assert any("fresh optimizer" in text for text in on.announcements)
    assert any("threads: 2 -> 1" in text for text in on.announcements)


@pytest.mark.parametrize("shift", [True, False], ids=["shifted by one", "prompt included"])
def test_a_broken_mask_is_refused_before_the_first_step(
    quest: Path, squire: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: bool
) -> None:
    make = ChatTokenizer.examples

    def broken(self: ChatTokenizer, chats: object) -> list:  # type: ignore[type-arg]
        made = make(self, chats)  # type: ignore[arg-type]
        return [type(one)(one.ids, [*one.labels[1:], -100] if shift else list(one.ids)) for one in made]

    monkeypatch.setattr(ChatTokenizer, "examples", broken)
    with pytest.raises(BrokenMask, match="loss must lie on assistant answers"):
        battle(quest, squire, tmp_path)
    assert rows(tmp_path) == []
    assert CheckpointLedger(tmp_path).list_all() == []


def test_three_steps_that_are_not_numbers_end_the_battle_without_a_checkpoint(
    quest: Path, squire: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = AutoModelForCausalLM.from_pretrained

    def poisoned(*args: object, **kwargs: object) -> torch.nn.Module:
        model = load(*args, **kwargs)
        model.model.norm.weight.register_hook(lambda grad: grad * float("nan"))
        return model  # type: ignore[no-any-return]

    monkeypatch.setattr(train_module.AutoModelForCausalLM, "from_pretrained", poisoned)
    with pytest.raises(BattleFailed, match="3 steps with a loss or gradient that is not a number"):
        battle(quest, squire, tmp_path)
    assert CheckpointLedger(tmp_path).list_all() == []


def test_an_unknown_setting_or_a_value_out_of_range_is_refused(quest: Path, squire: Path, tmp_path: Path) -> None:
    with pytest.raises(msgspec.ValidationError, match="batchsize"):
        battle(quest, squire, tmp_path, batchsize=3)
    with pytest.raises(msgspec.ValidationError, match=r"<= 0.1.*learning_rate"):
        battle(quest, squire, tmp_path, learning_rate=3.0)
    with pytest.raises(msgspec.ValidationError, match=r"'emoji' - at `\$.profile`"):
        battle(quest, squire, tmp_path, profile="emoji")
