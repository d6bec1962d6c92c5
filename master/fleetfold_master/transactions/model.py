"""A transaction and its steps as values, and what their commands are called.

Ids: `t.<tx>.<step>.f` is a step's first forward command, `.f2`, `.f3` its retries after an answered failure. `.c`
compensates `.f`, `.c2` compensates `.f2`; `.c2r3` is the third try at that. A re-send keeps the id: a retry after an
answer needs a new one, for a node's ledger gives the same answer to the same id.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from fleetfold_master.jobs.dispatch import Outgoing
from fleetfold_shared.messages import (
    ActionKind,
    Callback,
    CommandResult,
    Filter,
    Outcome,
    Params,
    Rollback,
    StepState,
    TimelineEntry,
    TransactionState,
)
from fleetfold_shared.templates import placeholders

__all__ = ["Address", "Decision", "Policy", "Step", "Tx", "effect_of", "forward_id", "parse_id", "undo_id"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a transaction is. The wait between tries doubles from `backoff_s` up to `backoff_max_s`.

    `max_tries` bounds the tries at one compensation, and at a step after the point of no return; then it is parked.
    `undo_timeout_s` is the least time a compensation has for one try.
    """

    backoff_s: float = 1.0
    backoff_max_s: float = 30.0
    max_tries: int = 10
    undo_timeout_s: float = 30.0

    def backoff(self, tries: int) -> float:
        """Seconds to wait after the `tries`-th failure: 1, 2, 4 and so on."""
        return min(self.backoff_s * 2.0 ** (tries - 1), self.backoff_max_s)


class Tx(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction's row. `epoch` counts the masters that drove it, the last is its `owner`; `entries` counts those
    of its timeline.

    From `deadline_at` on it is rolled back, unless it has passed its point of no return. `definition` is the one it was
    made of, `name@version`, if it was. `role` is the caller's.
    """

    id: str
    digest: str
    name: str
    caller: str
    created_at: float
    state: TransactionState = "running"
    epoch: int = 1
    entries: int = 0
    error: str | None = None
    ended_at: float | None = None
    deadline_at: float | None = None
    owner: str | None = None
    callback: Callback | None = None
    definition: str | None = None
    role: str = ""

    @property
    def ended(self) -> bool:
        """Committed, rolled back, or given to an operator."""
        return self.state in {"committed", "rolled_back", "parked"}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step's row: what it is to do, then how far it has come.

    It begins when the steps named in `after` are done, or those of all earlier stages when there are none, and is
    skipped if `when` does not hold of what they have returned. `retriable`: its failures are no reason to give up.
    `runs` is how each of its forward commands ended (see `effect_of`), None for one not heard of; the last is the
    present one.
    `undo` is which of them is being undone, counted from 1 (0: none), by its `undos`-th compensation.
    `command` is the id in flight: sent `sends` times over all commands of the step, first at `began_at`, again at
    `due_at`, given up at `deadline_at`. With none in flight, `due_at` is when to try again.
    """

    tx: str
    name: str
    position: int
    stage: int
    node: str
    action: str
    kind: ActionKind
    params: Params
    rollback: Rollback | None
    timeout_s: float
    retries: int
    pivot: bool
    after: tuple[str, ...] = ()
    when: Filter | None = None
    retriable: bool = False
    state: StepState = "waiting"
    runs: tuple[Outcome | None, ...] = ()
    tries: int = 0
    undo: int = 0
    undos: int = 0
    undo_tries: int = 0
    command: str | None = None
    sends: int = 0
    began_at: float | None = None
    due_at: float | None = None
    deadline_at: float | None = None
    result: object = None
    error: str | None = None

    @property
    def suspects(self) -> list[int]:
        """The forward commands that may have left effects, and are not undone: from 1, the newest last.

        A failed or rejected one has left none, by an action's contract; nor has a transactional one out of time.
        """
        harmless: set[Outcome | None] = {"failed", "rejected"}
        if self.kind == "transactional":
            harmless.add("timed_out")
        below = self.undo - 1 if self.undo else len(self.runs)
        return [number for number, outcome in enumerate(self.runs[:below], start=1) if outcome not in harmless]


def effect_of(step: Step, result: CommandResult) -> Outcome:
    """How a forward command ended, as far as its effect goes. A failure says that this start of it did nothing, but
    nothing of a start before, in which its node died; and not that of one that noted something for its rollback.
    """
    tainted = (
        result.outcome == "failed"
        and step.kind != "transactional"
        and (result.starts > 1 or (result.noted and _undone_by_log(step.rollback)))
    )
    return "unknown" if tainted else result.outcome


def _undone_by_log(rollback: Rollback | None) -> bool:
    """Whether it can be run after a failure: it takes something from the log, or nothing at all."""
    paths = set() if rollback is None else placeholders(rollback.params)
    return rollback is not None and (not paths or any(path.startswith("log.") for path in paths))


class Decision(NamedTuple):
    """What follows from the rows, the time and perhaps a result: the rows to commit, then the commands to send."""

    tx: Tx
    steps: tuple[Step, ...]
    commands: tuple[Outgoing, ...] = ()
    entries: tuple[TimelineEntry, ...] = ()


class Address(NamedTuple):
    """Which command of which step an id means; `number` counts its forward commands from 1."""

    tx: str
    step: str
    forward: bool
    number: int


_ID = re.compile(r"t\.([A-Za-z0-9_-]+)\.([a-z0-9_]+)\.(?:f([0-9]{0,9})|c([0-9]{0,9})(?:r[0-9]+)?)")


def forward_id(step: Step, number: int) -> str:
    """The id of a step's `number`-th forward command."""
    return f"t.{step.tx}.{step.name}.f{number if number > 1 else ''}"


def undo_id(step: Step, number: int, undos: int) -> str:
    """The id of the `undos`-th compensation of a step's `number`-th forward command."""
    return f"t.{step.tx}.{step.name}.c{number if number > 1 else ''}{f'r{undos}' if undos > 1 else ''}"


def parse_id(text: str) -> Address | None:
    """What a command's id means; None if it is of no transaction."""
    match = _ID.fullmatch(text)
    if match is None:
        return None
    tx, step, forward, undo = match.groups()
    return Address(tx, step, forward is not None, int((undo if forward is None else forward) or 1))
