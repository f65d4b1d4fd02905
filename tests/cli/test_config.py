"""`realm config`: what it shows is what the daemons run with, and nothing invalid is written."""

import orjson

from realm.core.locked import Locked, write_locked
from realm.core.paths import Home
from tests.cli.console import in_terminal, realm


def test_get_shows_one_value_or_all_with_their_origin(home: Home) -> None:
    home.config_file.write_text('{"training": {"learning_rate": 0.001}}')
    assert realm(home, "config", "get", "training.learning_rate").stdout == "0.001\n"
    assert realm(home, "config", "get", "base_model").stdout == "null\n"
    rows = realm(home, "config", "get").stdout.splitlines()
    assert ["training.learning_rate", "0.001", "config.json"] in [row.split() for row in rows]
    told = orjson.loads(realm(home, "config", "get", "--json").stdout)
    assert {"key": "seals.minutes", "value": 10.0, "otherwise": 10.0, "origin": "default"} in told


def test_set_says_what_changed_and_diff_shows_it(home: Home) -> None:
    assert realm(home, "config", "diff").stdout == "config.json changes nothing\n"
    assert realm(home, "config", "set", "training.learning_rate", "1e-3").stdout == (
        "training.learning_rate: 0.003 -> 0.001\n"
    )
    assert "0.001 (0.003)" in realm(home, "config", "diff").stdout
    assert realm(home, "config", "set", "training.learning_rate", "--unset").stdout.endswith("0.001 -> 0.003\n")
    assert realm(home, "config", "diff").stdout == "config.json changes nothing\n"


def test_what_cannot_be_is_one_sentence(home: Home) -> None:
    assert "training.lr is unknown: the keys are" in realm(home, "config", "get", "training.lr", ends_with=1).stderr
    refused = realm(home, "config", "set", "training.learning_rate", "fast", ends_with=1).stderr
    assert "training.learning_rate is 'fast': expected `float`" in refused
    realm(home, "config", "set", "training.learning_rate", ends_with=2)
    realm(home, "config", "set", "training.learning_rate", "1", "--unset", ends_with=2)


def test_a_locked_key_is_refused_with_the_way_to_unlock_it(home: Home) -> None:
    write_locked(home.current_model, Locked(model_name="squire", base_model=None, max_length=512))
    refused = realm(home, "config", "set", "training.max_length", 256, ends_with=1).stderr
    assert "`realm config unlock training.max_length 256`" in refused
    assert not home.config_file.exists()
    told = realm(home, "config", "unlock", "training.max_length", 256).stdout
    assert "the backup lies in" in told
    assert realm(home, "config", "get", "training.max_length").stdout == "256\n"


def test_ending_a_campaign_is_asked_for(home: Home) -> None:
    write_locked(home.current_model, Locked(model_name="squire", base_model=None, max_length=512))
    realm(home, "config", "unlock", "model_name", "dio", stdin="n\n", ends_with=1)
    assert not home.config_file.exists()
    realm(home, "config", "unlock", "model_name", "dio", stdin="y\n")
    assert orjson.loads(home.config_file.read_bytes()) == {"model_name": "dio"}


def test_in_a_narrow_terminal_no_line_is_broken(home: Home) -> None:
    home.config_file.write_text(orjson.dumps({"base_model": "models/" + "long-name-" * 20}).decode())
    assert max(map(len, in_terminal(home, "config", "get", width=60).splitlines())) <= 70  # with its colours
