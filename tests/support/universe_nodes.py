"""The nodes of the universe: their ledgers' own rules, handlers that do one thing, and deaths at the worst moment.

The handler of a step whose rollback takes something from the log notes it before its effect, and may fail after that.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fleetfold_child.ledger.admission import Admission, Plan, admit
from fleetfold_child.ledger.admission import Decision as Verdict
from fleetfold_child.ledger.compensation import admit_compensation
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_master.transactions import Step
from fleetfold_master.transactions.model import parse_id
from fleetfold_shared.messages import Command, CommandResult, Outcome
from support.universe_state import Known, State, Told

__all__ = ["delivered", "plain"]

_LATER: tuple[Outcome, ...] = ("failed", "timed_out")


def delivered(state: State, known: Known[Command]) -> Iterator[State]:
    """A command comes to its node: done and acknowledged; or lost, or to come again."""
    command = known.value
    taken = state._replace(commands=state.commands - {known})
    if (budget := state.budget.less("losses")) is not None:
        yield taken._replace(budget=budget)
    yield from _executed(taken, command, state)
    if (budget := state.budget.less("duplicates")) is not None:
        again = state._replace(budget=budget)
        yield from _executed(again, command, again)


def _executed(taken: State, command: Command, unacked: State) -> Iterator[State]:
    """What the node's ledger says to it, and what comes of that. `unacked` is the state in which it comes again."""
    rows = {row.id: row for row in taken.rows}
    step = _step(taken, command.id)
    admission = _admission(taken, command, step, rows)
    if (seal := admission.seal) is not None:
        rows[seal.id] = _ended(_row(seal.id, step, 0), seal, tombstone=seal.tombstone)
    match admission.decision:
        case Verdict.RUN:
            yield from _run(taken, unacked, command, step, rows, admission.starts)
        case Verdict.FENCED:
            yield taken
        case Verdict.FORWARD_FIRST:
            assert admission.forward is not None
            yield from _executed(unacked, plain(admission.forward), unacked)
        case _:
            assert admission.result is not None
            if admission.decision is Verdict.SETTLED:
                rows[command.id] = _ended(_row(command.id, step, 0, command.compensates), admission.result)
            yield _told(taken, step, rows, admission.result)


def _admission(taken: State, command: Command, step: Step, rows: dict[str, LedgerRow]) -> Admission:
    own = rows.get(command.id)
    if command.compensates is None:
        return admit(command, own, Plan(kind=step.kind))
    log = {"order_id": 7} if command.compensates in taken.noted else {}
    undoing = [row for row in rows.values() if row.compensates == command.compensates and row.id != command.id]
    other = next((row for row in undoing if row.outcome == "ok"), None)
    return admit_compensation(command, own, rows.get(command.compensates), other, Plan(), log)


def _run(
    taken: State, unacked: State, command: Command, step: Step, rows: dict[str, LedgerRow], starts: int
) -> Iterator[State]:
    """The handler runs to an end, or its node dies under it, before or after the effect."""
    begun = _row(command.id, step, starts, command.compensates)
    noting = command.compensates is None and _by_log(step) and step.kind != "transactional"
    for outcome in ("ok", "failed"):
        budget = taken.budget if outcome == "ok" else taken.budget.less("failures")
        if budget is not None:
            result = _result(command, outcome, starts)
            ended = {**rows, command.id: _ended(begun, result, refused=outcome == "failed" and starts == 1)}
            after = _affected(_noted(taken, command, step), command, step) if outcome == "ok" else taken
            yield _told(after._replace(budget=budget), step, ended, result)
            if noting and outcome == "failed":
                yield from _fail_later(taken._replace(budget=budget), command, step, {**rows, command.id: begun})
    if command.compensates is None and step.kind != "transactional":
        yield from _run_without_result(taken, command, step, {**rows, command.id: begun})
    if (budget := unacked.budget.less("node_deaths")) is not None:
        died = unacked._replace(budget=budget, rows=frozenset({**rows, command.id: begun}.values()))
        yield died
        if noting:
            yield _noted(died, command, step)
        if step.kind != "transactional" or command.compensates:
            yield _affected(_noted(died, command, step), command, step)


def _run_without_result(taken: State, command: Command, step: Step, rows: dict[str, LedgerRow]) -> Iterator[State]:
    """It takes effect, and its result cannot be carried; the ledger knows what it was, or does not."""
    if (budget := taken.budget.less("no_results")) is None:
        return
    begun = rows[command.id]
    result = _result(command, "no_result", begun.starts)
    after = _affected(_noted(taken, command, step), command, step)._replace(budget=budget)
    for kept in (None, '{"order_id": 7}'):
        ended = {**rows, command.id: _ended(begun, result)._replace(unsent=kept)}
        yield _told(after, step, ended, result)


def _fail_later(taken: State, command: Command, step: Step, rows: dict[str, LedgerRow]) -> Iterator[State]:
    """It has noted what it is about to do, and fails or times out then: before its effect, or after."""
    noted, begun = _noted(taken, command, step), rows[command.id]
    for outcome in _LATER:
        result = msgspec.structs.replace(_result(command, outcome, begun.starts), noted=True)
        ended = {**rows, command.id: _ended(begun, result)}
        yield _told(noted, step, ended, result)
        yield _told(_affected(noted, command, step), step, ended, result)


def _noted(state: State, command: Command, step: Step) -> State:
    return state._replace(noted=state.noted | {command.id}) if _by_log(step) and not command.compensates else state


def _by_log(step: Step) -> bool:
    return step.rollback is not None and "{{log." in str(step.rollback.params)


def _affected(state: State, command: Command, step: Step) -> State:
    """The effect, once for each key; of a compensation, if there is something to undo and its turn has come."""
    number = state.steps.index(next(each for each in state.steps if each.name == step.name))
    effect = state.effects[number]
    wrong = ""
    if command.compensates is None:
        effect = effect._replace(done=effect.done + 1 if step.kind == "once" else 1 + effect.undone)
    elif effect.done > effect.undone:
        effect = effect._replace(undone=effect.undone + 1)
        later = [
            each.name
            for each, left in zip(state.steps, state.effects, strict=True)
            if each.stage > step.stage and left.done > left.undone
        ]
        wrong = f"{step.name} was undone before {later[0]}, which came after it" if later else ""
    effects = (*state.effects[:number], effect, *state.effects[number + 1 :])
    return state._replace(effects=effects, wrong=wrong or state.wrong)


def _told(state: State, step: Step, rows: dict[str, LedgerRow], result: CommandResult) -> State:
    answer = msgspec.structs.replace(result, attempt=0, ms=0.0, error=None)
    return state._replace(rows=frozenset(rows.values()), results=state.results | {Known.of(Told(step.node, answer))})


def _step(state: State, command: str) -> Step:
    address = parse_id(command)
    assert address is not None
    return next(step for step in state.steps if step.name == address.step)


def _result(command: Command, outcome: Outcome, starts: int) -> CommandResult:
    said = {"order_id": 7} if outcome == "ok" and command.compensates is None else None
    return CommandResult(id=command.id, attempt=0, epoch=command.epoch, outcome=outcome, result=said, starts=starts)


def _row(command: str, step: Step, starts: int, compensates: str | None = None) -> LedgerRow:
    """As after a death: running in no process."""
    return LedgerRow(
        id=command, action="undo" if compensates else "do", kind="idempotent" if compensates else step.kind,
        state="running", starts=starts, incarnation="", epoch=0, attempt=0, compensates=compensates, params="{}",
        timeout_s=None, crashes=0, lone_crashes=0, outcome=None, refused=0, answer=None,
    )  # fmt: skip


def _ended(row: LedgerRow, result: CommandResult, *, refused: bool = False, tombstone: bool = False) -> LedgerRow:
    told = msgspec.structs.replace(result, attempt=0, epoch=0, ms=0.0, error=None)
    return row._replace(
        state="tombstone" if tombstone else "done", outcome=result.outcome, refused=int(refused), starts=result.starts,
        answer=msgspec.json.encode(told).decode(),
    )  # fmt: skip


def plain(command: Command) -> Command:
    """Without what only makes states differ."""
    return msgspec.structs.replace(command, attempt=0, timeout_s=None)
