"""By what a master knows that its database is an old copy, and what it takes for no sign of that."""

from __future__ import annotations

import pytest

from fleetfold_master.recovery.old_copy import doubtful_marks, find_lost
from fleetfold_shared.messages import MasterMark, RecalledCommand

KNOWN = {"m1": 40, "m2": 7}


def command(key: str, height: int) -> RecalledCommand:
    return RecalledCommand(id=key, action="do", mark=MasterMark("m1", height, key))


@pytest.mark.parametrize(
    ("mark", "shown"),
    [
        (MasterMark("m3", 0), "it has heard the master m3, which this database does not know"),
        (MasterMark("m1", 41), "it has heard the master m1 at height 41; here it is at 40"),
        (MasterMark("m1", 40), ""),
        (MasterMark("m2", 6), ""),
    ],
)
def test_an_unknown_master_and_a_higher_one_show_an_old_copy(mark: MasterMark, shown: str) -> None:
    assert find_lost(KNOWN, [mark], [], lambda _: True) == shown


def test_an_unknown_command_shows_a_copy_made_between_two_heartbeats() -> None:
    commands = [command("j.j1.shop", 40), command("j.j2.shop", 40)]
    shown = find_lost(KNOWN, [MasterMark("m1", 40)], commands, lambda one: one.id != "j.j2.shop")
    assert shown == "it has the command j.j2.shop, which this database does not know"


def test_only_what_may_be_younger_is_looked_at() -> None:
    told = [MasterMark("m1", 40), MasterMark("m2", 5), MasterMark("m3", 9)]
    assert doubtful_marks(KNOWN, told) == [MasterMark("m1", 39), MasterMark("m3", 0)]
    assert doubtful_marks(KNOWN, [MasterMark("m1", 39)]) == [MasterMark("m1", 39)]
    assert doubtful_marks(KNOWN, [MasterMark("m1", 38)]) == []
