"""Everything that can be refused before the first step is sent, refused by name; and the steps as they begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleetfold_master.actions.schema import check_params
from fleetfold_master.transactions.model import Step
from fleetfold_shared.errors import InvalidInput, NotFound, Unavailable
from fleetfold_shared.messages import ActionInfo, NodeRecord, StepSpec, Transact
from fleetfold_shared.templates import placeholders

__all__ = ["Lookup", "validate"]

Lookup = Callable[[str], NodeRecord | None]
"""The registry's record of a node; None if the name is not registered."""


def validate(transact: Transact, lookup: Lookup) -> tuple[Step, ...]:
    """The steps of a transaction that may begin.

    `InvalidInput`, `NotFound` or `Unavailable` for the first thing wrong, by name: `steps.crm.params.sku: ...`.
    """
    _check_names(transact.steps)
    stages = _stages(transact.steps)
    _check_pivots(transact.steps, stages)
    return tuple(
        _step(transact.id, position, spec, stages, _action(spec, lookup))
        for position, spec in enumerate(transact.steps)
    )


def _check_names(specs: Sequence[StepSpec]) -> None:
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise _wrong(spec, "name", "there are two steps of this name; give each its own")
        seen.add(spec.name)


def _stages(specs: Sequence[StepSpec]) -> dict[str, int]:
    """Each step's stage. One without is a stage of its own, after those before it, so nobody may join it there."""
    stages: dict[str, int] = {}
    own: dict[int, str] = {}
    for spec in specs:
        stage = max(stages.values(), default=-1) + 1 if spec.stage is None else spec.stage
        if stage in own:
            raise _wrong(spec, "stage", f"{stage} is already the own stage of {own[stage]}; give that one a stage too")
        if spec.stage is None:
            own[stage] = spec.name
        stages[spec.name] = stage
    return stages


def _check_pivots(specs: Sequence[StepSpec], stages: Mapping[str, int]) -> None:
    pivots = [spec for spec in specs if spec.pivot]
    for spec in pivots:
        if spec.rollback is not None:
            raise _wrong(spec, "rollback", "a pivot is the point of no return and has none; leave it out")
        if spec is not pivots[0]:
            raise _wrong(spec, "pivot", f"{pivots[0].name} is the pivot already; there is at most one")
        if list(stages.values()).count(stages[spec.name]) > 1:
            raise _wrong(spec, "stage", "a pivot has its stage for itself; move the others before or after it")


def _action(spec: StepSpec, lookup: Lookup) -> ActionInfo:
    """The step's action by its node's own description; its rollback's is checked on the way."""
    node = lookup(spec.node)
    if node is None or node.state == "removed":
        raise NotFound(f"steps.{spec.name}.node: there is no node {spec.node!r}", field=f"steps.{spec.name}.node")
    if node.state != "active":
        raise Unavailable(
            f"steps.{spec.name}.node: {spec.node} is {node.state}; make it active first",
            field=f"steps.{spec.name}.node",
        )
    actions = {action.name: action for action in node.description.actions}
    action = _known(actions, spec.action, spec, "action")
    check_params(action, spec.params, f"steps.{spec.name}.params", templated=True)
    if spec.rollback is not None:
        undo = _known(actions, spec.rollback.action, spec, "rollback.action")
        check_params(undo, spec.rollback.params, f"steps.{spec.name}.rollback.params", templated=True)
    return action


def _known(actions: Mapping[str, ActionInfo], name: str, spec: StepSpec, where: str) -> ActionInfo:
    if name not in actions:
        field = f"steps.{spec.name}.{where}"
        there = ", ".join(sorted(actions)) or "none"
        raise NotFound(f"{field}: {spec.node} has no action {name!r}; it has {there}", field=field)
    return actions[name]


def _step(tx: str, position: int, spec: StepSpec, stages: Mapping[str, int], action: ActionInfo) -> Step:
    _check_references(spec, stages)
    return Step(
        tx=tx,
        name=spec.name,
        position=position,
        stage=stages[spec.name],
        node=spec.node,
        action=spec.action,
        kind=action.kind,
        params=spec.params,
        rollback=spec.rollback,
        timeout_s=spec.timeout_s,
        retries=spec.retries,
        pivot=spec.pivot,
    )


def _check_references(spec: StepSpec, stages: Mapping[str, int]) -> None:
    """`{{steps.NAME...}}` of an earlier stage in the params; a field of the step's own result in the rollback's."""
    for path in _paths(spec, "params", spec.params):
        first, _, rest = path.partition(".")
        name = rest.partition(".")[0]
        if first != "steps" or not name:
            raise _wrong(spec, "params", f"{{{{{path}}}}} means nothing here; write {{{{steps.NAME.field}}}}")
        if name not in stages:
            raise _wrong(spec, "params", f"{{{{{path}}}}}: there is no step {name!r}; there are {', '.join(stages)}")
        if stages[name] >= stages[spec.name]:
            raise _wrong(spec, "params", f"{{{{{path}}}}}: {name} has not run by then; put it in an earlier stage")
    for path in _paths(spec, "rollback.params", spec.rollback.params if spec.rollback else {}):
        if path.partition(".")[0] == "steps":
            raise _wrong(
                spec,
                "rollback.params",
                f"{{{{{path}}}}}: a rollback knows its own step's result only; write {{{{field}}}}",
            )


def _paths(spec: StepSpec, where: str, params: Mapping[str, Any]) -> list[str]:
    try:
        return sorted(placeholders(params))
    except InvalidInput as error:
        raise _wrong(spec, where, error.message) from None


def _wrong(spec: StepSpec, where: str, what: str) -> InvalidInput:
    field = f"steps.{spec.name}.{where}"
    return InvalidInput(f"{field}: {what}", field=field)
