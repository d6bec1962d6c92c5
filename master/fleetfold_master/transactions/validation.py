"""Validation of a transaction before its first step is sent; errors name the field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from fleetfold_master.jobs.parameter_check import check_params
from fleetfold_master.nodes import action_names, acts, why_not
from fleetfold_master.transactions.model import Step
from fleetfold_master.transactions.result_path_check import misses, rollback_misses
from fleetfold_master.transactions.step_order import StepOrder, arrange, wrong
from fleetfold_shared.errors import InvalidInput, NotFound, Unavailable
from fleetfold_shared.messages import ActionInfo, NodeRecord, StepSpec, Transact
from fleetfold_shared.query.filter_validation import check_filter, fields_of
from fleetfold_shared.templates import placeholders

__all__ = ["Lookup", "check_action", "check_order", "check_results", "validate"]

Lookup = Callable[[str], NodeRecord | None]
"""The registry's record of a node; None if the name is not registered."""


def validate(transact: Transact, lookup: Lookup) -> tuple[Step, ...]:
    """Validate, and return the steps of the transaction as they begin.

    Raises `InvalidInput`, `NotFound` or `Unavailable` for the first error, by name: `steps.crm.params.sku: ...`.
    """
    order = check_order(transact.steps)
    actions = {spec.name: check_action(spec, lookup) for spec in transact.steps}
    for spec in transact.steps:
        check_results(spec, actions)
    return tuple(
        _step(transact.id, position, spec, order, actions[spec.name]) for position, spec in enumerate(transact.steps)
    )


def check_order(specs: Sequence[StepSpec], inputs: Collection[str] = ()) -> StepOrder:
    """Validate what does not depend on the fleet, and return the order of the steps. Raises `InvalidInput`.

    `inputs` are the names that `{{inputs.NAME}}` may refer to.
    """
    _check_names(specs)
    order = arrange(specs)
    _check_pivots(specs, order)
    for spec in specs:
        _check_references(spec, order, inputs)
    return order


def _check_names(specs: Sequence[StepSpec]) -> None:
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise wrong(spec, "name", "there are two steps of this name; give each its own")
        seen.add(spec.name)


def _check_pivots(specs: Sequence[StepSpec], order: StepOrder) -> None:
    pivots = [spec for spec in specs if spec.pivot]
    for spec in pivots:
        if spec.rollback is not None:
            raise wrong(spec, "rollback", "a pivot is the point of no return and has none; leave it out")
        if spec is not pivots[0]:
            raise wrong(spec, "pivot", f"{pivots[0].name} is the pivot already; there is at most one")
        if beside := order.beside(spec.name):
            raise wrong(
                spec, order.field, f"{beside[0]} may run at the same time as the pivot; it must come before or after it"
            )


def check_action(spec: StepSpec, lookup: Lookup) -> ActionInfo:
    """The step's action by its node's own description; the action of its rollback is checked as well."""
    node = lookup(spec.node)
    if node is None or node.state == "removed":
        raise NotFound(f"steps.{spec.name}.node: there is no node {spec.node!r}", field=f"steps.{spec.name}.node")
    if not acts(node, node.failing):
        raise Unavailable(f"steps.{spec.name}.node: {why_not(node)}", field=f"steps.{spec.name}.node")
    action = _known(node, spec.action, spec, "action")
    check_params(action, spec.params, f"steps.{spec.name}.params", templated=True)
    if spec.rollback is not None:
        compensation = _known(node, spec.rollback.action, spec, "rollback.action")
        check_params(compensation, spec.rollback.params, f"steps.{spec.name}.rollback.params", templated=True)
    return action


def check_results(spec: StepSpec, actions: Mapping[str, ActionInfo]) -> None:
    """Raise `InvalidInput` if the step refers to a result field that an action, by its return type, never returns.

    `actions` are the actions of the steps, by step name; references to steps without one are not checked.
    """
    for where, path in _referred(spec):
        name, *inner = path.split(".")[1:]
        if name in actions and (why := misses(actions[name].result, inner)) is not None:
            shown = path if where == "when" else f"{{{{{path}}}}}"
            raise wrong(spec, where, f"{shown}: {actions[name].name} returns {why}")
    own = actions.get(spec.name)
    if spec.rollback is None or own is None:
        return
    for path in _paths(spec, "rollback.params", spec.rollback.params):
        if not path.startswith("inputs.") and (why := rollback_misses(own.result, path.split("."))) is not None:
            raise wrong(spec, "rollback.params", f"{{{{{path}}}}}: {own.name} returns {why}")


def _referred(spec: StepSpec) -> Iterator[tuple[str, str]]:
    """The paths `steps.NAME.field` in its parameters and its condition."""
    for path in _paths(spec, "params", spec.params):
        if path.startswith("steps."):
            yield "params", path
    for path in fields_of(spec.when) if spec.when is not None else ():
        yield "when", path


def _known(node: NodeRecord, name: str, spec: StepSpec, where: str) -> ActionInfo:
    for action in node.description.actions:
        if action.name == name:
            return action
    field = f"steps.{spec.name}.{where}"
    raise NotFound(f"{field}: {node.name} has no action {name!r}; it has {action_names(node)}", field=field)


def _step(tx: str, position: int, spec: StepSpec, order: StepOrder, action: ActionInfo) -> Step:
    return Step(
        tx=tx,
        name=spec.name,
        position=position,
        stage=order.stages[spec.name],
        node=spec.node,
        action=spec.action,
        kind=action.kind,
        params=spec.params,
        rollback=spec.rollback,
        timeout_s=spec.timeout_s,
        retries=spec.retries,
        pivot=spec.pivot,
        after=tuple(spec.depends_on or ()),
        when=spec.when,
        retriable=spec.retriable,
    )


def _check_references(spec: StepSpec, order: StepOrder, inputs: Collection[str]) -> None:
    """Check references: `{{steps.NAME...}}` in parameters and `when` must name an earlier step; in a rollback, a field
    of the step's own result or of its log. Inputs are allowed everywhere."""
    for path in _paths(spec, "params", spec.params):
        if _is_input(spec, "params", path, inputs):
            continue
        _check_path(spec, "params", path, f"{{{{{path}}}}}", order)
    if spec.when is not None:
        check_filter(spec.when, f"steps.{spec.name}.when")
        for path in fields_of(spec.when):
            _check_path(spec, "when", path, path, order)
    for path in _paths(spec, "rollback.params", spec.rollback.params if spec.rollback else {}):
        if not _is_input(spec, "rollback.params", path, inputs) and path.partition(".")[0] == "steps":
            why = f"{{{{{path}}}}}: a rollback knows its own step's result only; write {{{{field}}}}"
            raise wrong(spec, "rollback.params", why)


def _is_input(spec: StepSpec, where: str, path: str, inputs: Collection[str]) -> bool:
    first, _, rest = path.partition(".")
    if first != "inputs" or not inputs:
        return False
    if rest.partition(".")[0] not in inputs:
        raise wrong(spec, where, f"{{{{{path}}}}}: there is no such input; there are {', '.join(inputs)}")
    return True


def _check_path(spec: StepSpec, where: str, path: str, shown: str, order: StepOrder) -> None:
    first, _, rest = path.partition(".")
    name = rest.partition(".")[0]
    if first != "steps" or not name:
        example = "{{steps.NAME.field}}" if where == "params" else "steps.NAME.field"
        raise wrong(spec, where, f"{shown} means nothing here; write {example}")
    if name not in order.stages:
        raise wrong(spec, where, f"{shown}: there is no step {name!r}; there are {', '.join(order.stages)}")
    if name not in order.before[spec.name]:
        raise wrong(spec, where, f"{shown}: {name} has not run by then; {order.remedy}")


def _paths(spec: StepSpec, where: str, params: Mapping[str, Any]) -> list[str]:
    try:
        return sorted(placeholders(params))
    except InvalidInput as error:
        raise wrong(spec, where, error.message) from None
