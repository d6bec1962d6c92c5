"""A transaction and its steps as values, and the ids of their commands.

Ids: `t.<tx>.<step>.f` is a step's first forward command, `.f2`, `.f3` its retries after an answered failure. `.c`
compensates `.f`, `.c2` compensates `.f2`; `.c2r3` is the third try at that. A re-send keeps the id: a retry after
an answer needs a new one, because a node's ledger gives the same answer to the same id.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from fleetfold_master.jobs.command_dispatch import Outgoing
from fleetfold_shared.backoff import Backoff
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

__all__ = [
    "Address",
    "Decision",
    "Policy",
    "Step",
    "Tx",
    "compensation_id",
    "compensation_id_of",
    "effect_of",
    "forward_id",
    "forward_id_of",
    "parse_id",
]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Retry policy of a transaction. The wait between tries doubles from `backoff_s` up to `backoff_max_s` seconds.

    `max_tries` limits the tries of one compensation, and of a step after the pivot; then the transaction is parked.
    `compensation_timeout_s` is the minimal time limit for one try of a compensation.
    """

    backoff_s: float = 1.0
    backoff_max_s: float = 30.0
    max_tries: int = 10
    compensation_timeout_s: float = 30.0

    @property
    def backoff(self) -> Backoff:
        """The delays between tries, without jitter: a decision is the same whoever makes it."""
        return Backoff(self.backoff_s, self.backoff_max_s)


class Tx(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction's row. `epoch` counts its owners so far, the last is `owner`; `entries` is the length of its
    timeline.

    At `deadline_at` it is rolled back, unless it has passed its pivot. `definition` is the `name@version` it was
    expanded from, if any. `role` is the caller's.
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
        """Whether it is committed, rolled back, or parked."""
        return self.state in {"committed", "rolled_back", "parked"}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step's row: its specification, then its progress.

    It begins when the steps named in `after` are done, or those of all earlier stages if there are none, and is
    skipped if `when` does not hold for their results. `retriable`: failures do not fail the transaction. `runs` is
    the effect of each of its forward commands (see `effect_of`), None while unknown; the last is the present one.
    `compensation` is the command being compensated, counted from 1 (0: none), by its `compensations`-th
    compensation, the `compensation_tries`-th try. `command` is the id in flight: sent `sends` times over all commands
    of the step, first at `began_at`, again at `due_at`, given up at `deadline_at`. With none in flight, `due_at` is
    the time of the next try.
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
    compensation: int = 0
    compensations: int = 0
    compensation_tries: int = 0
    command: str | None = None
    sends: int = 0
    began_at: float | None = None
    due_at: float | None = None
    deadline_at: float | None = None
    result: object = None
    error: str | None = None

    @property
    def possibly_applied(self) -> list[int]:
        """The forward commands that may have had an effect and are not compensated: numbers from 1, the newest last.

        By an action's contract, a failed or rejected one had no effect; nor did a transactional one that ran out of
        time.
        """
        harmless: set[Outcome | None] = {"failed", "rejected"}
        if self.kind == "transactional":
            harmless.add("timed_out")
        below = self.compensation - 1 if self.compensation else len(self.runs)
        return [number for number, outcome in enumerate(self.runs[:below], start=1) if outcome not in harmless]


def effect_of(step: Step, result: CommandResult) -> Outcome:
    """The effect of a forward command. A failure says that this run had no effect, but nothing about an earlier run in
    which its node died, and not that of a command that wrote to the side-effect log for its rollback."""
    tainted = (
        result.outcome == "failed"
        and step.kind != "transactional"
        and (result.starts > 1 or (result.noted and _compensable_from_log(step.rollback)))
    )
    return "unknown" if tainted else result.outcome


def _compensable_from_log(rollback: Rollback | None) -> bool:
    """Whether the rollback can run after a failure: it takes something from the log, or nothing at all."""
    paths = set() if rollback is None else placeholders(rollback.params)
    return rollback is not None and (not paths or any(path.startswith("log.") for path in paths))


class Decision(NamedTuple):
    """The outcome of a decision: the rows to commit, then the commands to send."""

    tx: Tx
    steps: tuple[Step, ...]
    commands: tuple[Outgoing, ...] = ()
    entries: tuple[TimelineEntry, ...] = ()


class Address(NamedTuple):
    """The step and command that an id names; `number` counts the step's forward commands from 1."""

    tx: str
    step: str
    forward: bool
    number: int


_ID = re.compile(r"t\.([A-Za-z0-9_-]+)\.([a-z0-9_]+)\.(?:f([0-9]{0,9})|c([0-9]{0,9})(?:r[0-9]+)?)")


def forward_id(step: Step, number: int) -> str:
    """The id of a step's `number`-th forward command."""
    return forward_id_of(step.tx, step.name, number)


def forward_id_of(tx: str, step: str, number: int) -> str:
    """The same, by the names of the transaction and its step."""
    return f"t.{tx}.{step}.f{number if number > 1 else ''}"


def compensation_id(step: Step, number: int, compensations: int) -> str:
    """The id of the `compensations`-th compensation of a step's `number`-th forward command."""
    return compensation_id_of(step.tx, step.name, number, compensations)


def compensation_id_of(tx: str, step: str, number: int, compensations: int) -> str:
    """The same, by the names of the transaction and its step."""
    return f"t.{tx}.{step}.c{number if number > 1 else ''}{f'r{compensations}' if compensations > 1 else ''}"


def parse_id(text: str) -> Address | None:
    """Parse a command id; None if it does not belong to a transaction."""
    match = _ID.fullmatch(text)
    if match is None:
        return None
    tx, step, forward, compensation = match.groups()
    return Address(tx, step, forward is not None, int((compensation if forward is None else forward) or 1))
