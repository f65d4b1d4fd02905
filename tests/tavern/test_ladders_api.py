"""GET /api/ladders: the trainers' own words, and no server is asked."""

from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.guild.trainers.bin import attributes
from tests.tavern.serving import ask, serving

SHIPPED = Path(__file__).parents[2] / "configs" / "skills"


def test_each_level_is_told_by_its_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    own = home.configs / "skills"
    own.mkdir()
    (own / "adder.yaml").write_text((SHIPPED / "_template.yaml").read_text())  # whose server is nowhere
    with serving(home) as port:
        status, told = ask(port, "/api/ladders")
        assert (status, told["problem"]) == (200, None)
        assert told["skills"]["adder"] == {"api_url": "http://localhost:8091", "levels": {}}
        assert told["skills"]["bin"]["api_url"] is None
        assert told["skills"]["bin"]["levels"] == {str(level): attributes(level) for level in range(1, 31)}
        (own / "adder.yaml").write_text("id: adder\n")
        assert "adder.yaml" in ask(port, "/api/ladders")[1]["problem"]
