"""The oracle of another machine: python -m tests.scrolls.other_oracle HOME

The real daemon. HOME/marks has a line for each request: its path, and which exam it names. HOME/fate says what befalls
the daemon at which question, such as `die 20`: it is killed (die) or frozen (freeze), or from then on it tells of
other weights (swap) or of none (silence).
"""

import os
import signal
import sys
from pathlib import Path
from threading import Lock

import bottle
import msgspec

from realm.core.loopback import answer
from realm.oracle import backends, oracle
from realm.oracle.oracle_api import OracleApi

FATES = {"die": signal.SIGKILL, "freeze": signal.SIGSTOP}
DIGESTS = {"swap": "0" * 64, "silence": None}


class Watched(OracleApi):
    home: Path
    one_at_a_time = Lock()  # else two questions could be the fatal one

    def _chat(self) -> bottle.HTTPResponse:
        with self.one_at_a_time:
            self._note()
            fate, at = self._fate()
            if fate in FATES and self._questions() == at:
                os.kill(os.getpid(), FATES[fate])
        return super()._chat()

    def _load(self) -> bottle.HTTPResponse:
        self._note()
        return super()._load()

    def _info(self) -> bottle.HTTPResponse:
        self._note()
        document = msgspec.json.decode(super()._info().body)
        fate, at = self._fate()
        if fate in DIGESTS and self._questions() >= at:
            for model in document["models"]:
                model["digest"] = DIGESTS[fate]
        return answer(document)

    def _note(self) -> None:
        with (self.home / "marks").open("a") as marks:
            marks.write(f"{bottle.request.path} {bottle.request.get_header('X-Realm-Exam')}\n")

    def _questions(self) -> int:
        return (self.home / "marks").read_text().count("/v1/chat/completions")

    def _fate(self) -> tuple[str, int]:
        fate, at = (self.home / "fate").read_text().split()
        return fate, int(at)


if __name__ == "__main__":
    Watched.home = Path(sys.argv[1])
    (Watched.home / "marks").touch()
    oracle.POLL, oracle.INTERVAL = 0.05, 0.2
    backends.OracleApi = Watched  # type: ignore[misc]
    oracle.main(Watched.home)
