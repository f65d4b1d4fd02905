"""`realm hero`: which heroes there are, and which one this realm trains."""

import orjson

from realm.core.paths import Home
from tests.cli.console import realm


def test_ls_tells_what_is_built_and_who_is_trained_here(home: Home) -> None:
    told = {one["id"]: one for one in orjson.loads(realm(home, "hero", "ls", "--json").stdout)}
    assert (told["squire"]["trained_here"], told["squire"]["built"]) == (True, False)
    assert (told["dio"]["source"], told["dio"]["trained_here"]) == ("Qwen/Qwen3-0.6B", False)
    (home.models / "dio").mkdir()
    home.config_file.write_text('{"model_name": "dio"}')
    lines = realm(home, "hero", "ls").stdout.splitlines()
    assert any(f"built: {home.models / 'dio'} · trained here" in line for line in lines)
    assert any("squire" in line and "not built" in line for line in lines)


def test_an_invalid_config_is_one_sentence(home: Home) -> None:
    home.config_file.write_text('{"model_name": 7}')
    assert "model_name is 7: expected `str`" in realm(home, "hero", "ls", ends_with=1).stderr
