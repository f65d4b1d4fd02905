"""skill@<id>: the daemon that serves a skill of this process to programs that cannot import it.

NAME       realm run skill@bin
READS      configs/skills/<id>.yaml
WRITES     nothing but its lock; it needs no status, as /health tells it
SIGNALS    TERM, INT: answers what it was asked and ends; a second one: the end at once
LOG LINES  ready, http (a connection that failed), cannot-start (the port is taken, or the skill's file must be mended),
           and those of every daemon
RECOVERY   none: nothing is kept between two requests
PORT       that of api_url in the skill's file, on loopback; what is asked there: realm/guild/skills/wire.py

Training and exams of such a skill do not need the server: they import its package.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from realm.core.daemon import Frame
from realm.core.log import Log
from realm.core.loopback import NAMES, LoopbackServer, PortTaken
from realm.core.paths import Home, HomeError
from realm.guild.skills.api import SkillApi
from realm.guild.skills.contract import SkillError
from realm.guild.skills.definition import Skill
from realm.guild.skills.in_process import InProcessTrainer
from realm.guild.skills.registry import get_skill

INTERVAL = 5.0  # seconds between heartbeats
LONGEST_WAIT = 3600.0  # seconds; only the order to stop ends one


def main(home: Path, skill_id: str) -> None:
    """Raises SystemExit: 75 if another one serves this skill, 78 if a file must be mended or the port is taken."""
    log = Log(f"skill-{skill_id}")
    try:
        Home(home).check_whole()
        skill = get_skill(skill_id)
        trainer = _trainer(skill)
        port = _port(skill)
    except (HomeError, SkillError) as error:
        log("cannot-start", reason=error)
        raise SystemExit(os.EX_CONFIG) from None
    with Frame(f"skill-{skill_id}", Home(home).locks, interval_s=INTERVAL) as frame:
        try:
            with LoopbackServer(SkillApi(skill, trainer).app, port, frame.log):
                frame.ready(f"serves {skill.name} {skill.version} on port {port}")
                while not frame.stopping.is_set():
                    frame.wait(LONGEST_WAIT)
        except PortTaken as error:
            frame.log("cannot-start", reason=error)
            raise SystemExit(os.EX_CONFIG) from None


def _trainer(skill: Skill) -> InProcessTrainer:
    if skill.in_process is None:
        raise SkillError(f"{skill.id} is served by a program of its own at {skill.api_url}: start that one")
    return InProcessTrainer(skill, skill.in_process)


def _port(skill: Skill) -> int:
    address = urlsplit(skill.api_url)
    if address.hostname not in NAMES or not address.port:
        raise SkillError(
            f"{skill.id}.yaml: api_url is {skill.api_url}: a server here has localhost and a port, such as http://localhost:8090"
        )
    return address.port
