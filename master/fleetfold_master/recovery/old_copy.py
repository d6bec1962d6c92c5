"""Rules by which a master knows that its database is an old copy. Pure.

A node returns the marks of the masters that it has heard, and the commands that they had sent it. A master's height is
raised in the database with each of its heartbeats, and is told only afterwards. So, compared with the database:

    the node's mark                       the database
    ------------------------------------  ----------------------------------------------------------------
    of a master that it does not know     is an old copy: that master began after it was made
    higher than that master's height      is an old copy: that master went on after it was made
    equal, or one lower                   may be one made between two heartbeats: each command of that time must
                                          be known
    lower                                 has all that this master had committed then

A command is committed before it is sent, so the database knows each command that a node has, or it is an old copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from fleetfold_shared.messages import MasterMark, RecalledCommand

__all__ = ["doubtful_marks", "find_lost", "is_younger"]

Knows = Callable[[RecalledCommand], bool]
"""Tells whether the database knows that a command was sent."""


def is_younger(known: Mapping[str, int], mark: MasterMark) -> bool:
    """Whether the mark was told after the database was copied; `known` are its heights by master."""
    return mark.height > known.get(mark.master, -1)


def doubtful_marks(known: Mapping[str, int], told: Iterable[MasterMark]) -> list[MasterMark]:
    """The marks from which on a node's commands must be looked at."""
    return [
        MasterMark(mark.master, max(0, known.get(mark.master, 0) - 1))
        for mark in told
        if mark.height >= known.get(mark.master, 0) - 1
    ]


def find_lost(
    known: Mapping[str, int], told: Iterable[MasterMark], commands: Sequence[RecalledCommand], knows: Knows
) -> str:
    """Return what shows that the database is an old copy; empty if nothing does."""
    for mark in told:
        if (height := known.get(mark.master)) is None:
            return f"it has heard the master {mark.master}, which this database does not know"
        if is_younger(known, mark):
            return f"it has heard the master {mark.master} at height {mark.height}; here it is at {height}"
    for command in commands:
        if not knows(command):
            return f"it has the command {command.id}, which this database does not know"
    return ""
