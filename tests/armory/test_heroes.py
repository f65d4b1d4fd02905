"""Hero files, and the model folders made from them."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from transformers import AutoModelForCausalLM, AutoTokenizer

from realm.arena.battle.chat import ChatTokenizer, Example
from realm.arena.battle.engine import Engine
from realm.arena.battle.stream import cut_passes
from realm.armory import heroes, smithy
from realm.armory.heroes import HeroError, PretrainedModel, get_hero, hero_files, load_hero
from realm.guild.skills import get_trainer

GIB = 2**30


def test_dio_and_squire_ship() -> None:
    assert set(hero_files()) == {"dio", "squire"}
    assert all(get_hero(hero_id).id == hero_id for hero_id in hero_files())


def test_parameters_are_counted_as_the_model_has_them(squire: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(squire)
    counted = get_hero("squire").model.architecture.parameters(model.config.vocab_size)
    assert counted == sum(parameter.numel() for parameter in model.parameters())
    assert get_hero("dio").model.architecture.parameters(151_936) == 596_049_920


BROKEN = {
    "batch_size: 4": ("batch_size: 0", "batch_size"),
    "precision: fp32": ("precision: fp8", "precision"),
    "  max_length: 512": ("  max_lenght: 512", "max_lenght"),
    "source: built": ("source: summoned", "summoned"),
    "chat_template: chatml": ("chat_template: alpaca", "chat_template"),
    "id: squire": ("id: ../squire", "id"),
}


@pytest.mark.parametrize("line", BROKEN)
def test_a_wrong_key_or_value_is_named_with_its_file(line: str, tmp_path: Path) -> None:
    wrong, named = BROKEN[line]
    file = tmp_path / "squire.yaml"
    shipped = hero_files()["squire"].read_text()
    assert line in shipped
    file.write_text(shipped.replace(line, wrong, 1))
    with pytest.raises(HeroError, match=f"squire.yaml: .*{named}"):
        load_hero(file)


def test_an_unknown_hero_is_refused_with_the_known_ones() -> None:
    with pytest.raises(HeroError, match="unknown hero 'zara': choose one of dio, squire"):
        get_hero("zara")


def test_the_signs_of_the_skills_are_single_tokens_and_come_back_as_text(chat: ChatTokenizer) -> None:
    for sign in get_trainer("bin").SIGNS:
        [ids] = chat._encode([sign])
        assert len(ids) == 1, sign
        assert chat.decode(ids) == sign


def test_a_folder_that_exists_is_never_built_over(squire: Path) -> None:
    with pytest.raises(FileExistsError, match="move it aside"):
        smithy.build_hero(get_hero("squire"), squire, signs=[])


def test_a_pretrained_hero_is_taken_from_a_local_folder_and_speaks_chatml(squire: Path, tmp_path: Path) -> None:
    """A stand-in for Qwen3-0.6B: the same loading code on a folder made on the spot."""
    stand_in = tmp_path / "download"
    shutil.copytree(squire, stand_in)
    (stand_in / "chat_template.jinja").write_text("{{ messages }}<think>")
    config = AutoModelForCausalLM.from_pretrained(squire).config
    hero = get_hero("dio")
    assert isinstance(hero.model, PretrainedModel)
    shape = {key: getattr(config, key) for key in ("hidden_size", "num_hidden_layers", "vocab_size")}
    shape |= {key: getattr(config, key) for key in ("num_attention_heads", "num_key_value_heads")}
    architecture = replace(hero.model.architecture, **shape)
    small = replace(hero, model=replace(hero.model, architecture=architecture))
    folder = smithy.build_hero(small, tmp_path / "dio", signs=[], source=str(stand_in))
    assert "<think>" not in AutoTokenizer.from_pretrained(folder).chat_template
    assert load_hero(folder / heroes.HERO_FILE).id == "dio"
    heroes.check_base_model(folder, str(stand_in))
    heroes.check_base_model(folder, None)
    with pytest.raises(HeroError, match=f"was made from {stand_in}, but base_model in config.json is another"):
        heroes.check_base_model(folder, "another")
    with pytest.raises(HeroError, match="the loaded model has hidden_size 128, the hero file says 1024"):
        smithy.build_hero(hero, tmp_path / "other", signs=[], source=str(stand_in))


def test_a_hero_of_random_weights_refuses_a_base_model(tmp_path: Path) -> None:
    with pytest.raises(HeroError, match="squire begins with random weights: there is nothing to take from 'Qwen/x'"):
        smithy.build_hero(get_hero("squire"), tmp_path / "squire", signs=[], source="Qwen/x")


def test_dio_takes_a_step_with_random_weights_of_its_full_shape() -> None:
    needed = 14 * GIB  # fp32 masters, gradients and two moments of 596 M parameters, and the step's activations
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if free < needed:
        pytest.skip(f"{free / GIB:.1f} GiB of memory free, dio's full shape in fp32 needs {needed / GIB:.0f}")
    hero = get_hero("dio")
    model = smithy.random_model(hero.model.architecture, 151_936, seed=1)
    engine = Engine(model, hero.training, pad=0)
    weight = model.get_parameter("model.layers.27.mlp.down_proj.weight")
    before = weight.detach().clone()
    examples = [Example(list(ids), list(ids)) for ids in (range(10, 42), range(50, 98))]
    result = engine.step(1, cut_passes(examples, hero.training.tokens_per_pass, packed=True))
    assert result.applied
    assert result.loss == pytest.approx(torch.log(torch.tensor(151_936.0)).item(), rel=0.05)
    assert not torch.equal(weight, before)
