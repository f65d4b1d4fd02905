"""The tavern: what a browser sees of the realm, and what a person asks through it.

tavern        the daemon                                     quests_api      the quest board
app           all that it answers                            quest_census    lines that repeat, that exams ask
guard         who may ask                                    quest_exams     the exams before and after a quest
pages         www/                                           mending         a failed quest without its bad lines
served_files  files of the home, by an allow-list            uploads         drops from a page, whole
pulse         what changed                                   upload_parts    drops that go on where they broke off
control_api   flags, holds, orders                           inbox_places    names that a drop may have
game          the hero, its skills, its deeds                curriculum_api  what is taught, and what if
events_api    what happened
lineage_api   whose drops are refused, by whom               ladders_api     what levels are made of
quest_tokens  how long examples are in tokens                deed_book       what events showed, kept
oracle_api    oracles, and what is in their memory           oracle_hosts    where they are
oracle_chat   questions and answers                          oracle_models   what they can be asked
challenges    items for an oracle, graded                    votes           which of two answers is better
chat_quests   a chat as a quest                              champion_api    who wears the crown
"""

import webbrowser

from realm.core.config import load_config
from realm.core.paths import Home, home
from realm.tavern.address import entrance_of, url_of

__all__ = ["entrance_of", "open_tavern", "url_of"]


def open_tavern() -> str:
    """Opens the pages of this machine's realm in a browser, if there is one; returns their address.

    Raises ConfigError.
    """
    url = url_of(load_config(Home(home()).config_file).tavern)
    webbrowser.open(url)
    return url
