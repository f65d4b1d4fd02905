"""The part of a seal that is not tensors."""

import msgspec

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.fingerprint import Fingerprint
from realm.arena.battle.seal import Seal

STATE = "state.json"


class SealedState(msgspec.Struct, frozen=True, kw_only=True):
    campaign: Campaign
    fingerprint: Fingerprint


def read_state(seal: Seal) -> SealedState:
    return msgspec.json.decode(seal.path(STATE).read_bytes(), type=SealedState)
