"""Transactions written in Python: a step is a call, and what it returns is an object to give to later steps.

tx = Transaction("order")
order = tx.step(
    "shop.place_order", sku="TNT-204", rollback=step.compensation("cancel_order", order_id=step["order_id"])
)
tx.step("crm.open_ticket", text=f"order {order['order_id']}", when=order["total"] > 100)
view = await fleet.transact(tx)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

import msgspec

from fleetfold.step_references import Condition, Reference, Templates
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.definition_inputs import WORDS, input_schema
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Definition, Filter, Rollback, StepSpec
from fleetfold_shared.values import check_value

__all__ = ["PlannedCompensation", "PlannedStep", "Transaction", "step"]

_REQUIRED: Final = object()


class PlannedCompensation(msgspec.Struct, frozen=True):
    """The compensation of a step; made by `step.compensation`."""

    action: str
    params: Mapping[str, Any]


class _OwnStep(Reference):
    """`step`: in the rollback of a step, the step itself. `step["order_id"]` is a field of its result."""

    __slots__ = ()

    @property
    def log(self) -> Reference:
        """What it noted with `ctx.note`, by name: `step.log["order_id"]`. There even if it has failed."""
        return self["log"]

    def __getattr__(self, name: str) -> NoReturn:
        if name == "undo":
            raise AttributeError("step.undo is called step.compensation now: rename it")
        raise AttributeError(f"step has no {name!r}; a field of its result is step[{name!r}]")

    def compensation(self, action: str, /, **params: Any) -> PlannedCompensation:
        """The rollback: `action` on the step's own node."""
        return PlannedCompensation(action, params)


step: Final = _OwnStep("step", "")


class PlannedStep(Reference):
    """A step of a transaction: `order["order_id"]` is a field of what it will have returned, itself the whole of it."""

    __slots__ = ("name",)

    def __init__(self, owner: object, name: str) -> None:
        super().__init__(owner, f"steps.{name}")
        self.name = name


class Transaction:
    """Steps that are all done, or all compensated. Each runs after those before it, unless `after` says otherwise.

    It is rolled back when it has not ended `within_s`. `about` is a sentence on it, for people.
    """

    def __init__(self, name: str = "", *, within_s: float | None = None, about: str = "") -> None:
        self.name, self.within_s, self.about = name, within_s, about
        self._inputs: dict[str, str | dict[str, Any]] = {}
        self._specs: dict[str, StepSpec] = {}
        self._needs: dict[str, set[str]] = {}
        self._free: set[str] = set()

    def input(self, name: str, kind: type | str | Mapping[str, Any] = str, *, default: Any = _REQUIRED) -> Reference:
        """A value that is given when it is run: `kind` is a Python type, or a JSON Schema."""
        word = kind.__name__ if isinstance(kind, type) else kind
        schema: str | dict[str, Any] = dict(word) if isinstance(word, Mapping) else word
        if name in self._inputs:
            raise InvalidInput(f"inputs.{name}: there are two inputs of this name", field=f"inputs.{name}")
        input_schema({name: schema})
        if default is not _REQUIRED:
            check_value(default, f"inputs.{name}.default")
            schema = {**(WORDS[schema] if isinstance(schema, str) else schema), "default": default}
        self._inputs[name] = schema
        return Reference(self, f"inputs.{name}")

    # Ten parameters: each is a field of the one value that a step is, `StepSpec`, and the call reads like its action.
    def step(
        self,
        target: str,
        /,
        *,
        name: str | None = None,
        rollback: PlannedCompensation | Rollback | None = None,
        after: PlannedStep | Iterable[PlannedStep] | None = None,
        when: Condition | Filter | None = None,
        timeout_s: float = 30.0,
        retries: int = 0,
        retriable: bool = False,
        pivot: bool = False,
        params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> PlannedStep:
        """Plan `NODE.ACTION` with its parameters; those called like an option here go into `params`.

        It is called as its action, unless `name` is given. With `after` it waits for those steps only, and for those
        it refers to; `after=[]` begins at once. `InvalidInput` names the step and what is wrong with it.
        """
        node, dot, action = target.partition(".")
        name = name or self._free_name(action or "step")
        where = f"steps.{name}"
        if not dot or name in self._specs:
            problem = "there is a step of this name; give it another" if dot else "write NODE.ACTION"
            raise InvalidInput(f"{where}: {target!r}: {problem}", field=where)
        templates = Templates(self)
        spec = {
            "name": name, "node": node, "action": action, "timeout_s": timeout_s, "retries": retries,
            "retriable": retriable, "pivot": pivot,
            "params": templates.params({**(params or {}), **more}, f"{where}.params"),
            "rollback": self._rollback(rollback, where), "when": _filter(templates, when, f"{where}.when"),
        }  # fmt: skip
        needed = self._needed(templates, where) | self._awaited(name, after, where)
        self._specs[name] = convert_to(msgspec.to_builtins(spec), StepSpec, where)
        self._needs[name] = needed
        return PlannedStep(self, name)

    def steps(self) -> list[StepSpec]:
        """The steps as they travel."""
        if not self._free:
            return list(self._specs.values())
        needs: dict[str, set[str]] = {}
        for name in self._specs:
            last = needs.keys() - {need for each in needs.values() for need in each}
            needs[name] = self._needs[name] | (set() if name in self._free else last)
        return [msgspec.structs.replace(spec, depends_on=sorted(needs[name])) for name, spec in self._specs.items()]

    def given(self, inputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`inputs`, and the defaults of the others."""
        defaults = {
            name: one["default"] for name, one in self._inputs.items() if isinstance(one, dict) and "default" in one
        }
        return {**defaults, **(inputs or {})}

    def definition(self) -> Definition:
        """The same as a definition to be kept; its name must be fit for that: a-z, 0-9, `_` and `-`."""
        made = Definition(
            name=self.name, steps=self.steps(), inputs=self._inputs, about=self.about, within_s=self.within_s
        )
        return convert_to(msgspec.to_builtins(made), Definition, "definition")

    def _free_name(self, wanted: str) -> str:
        return next(
            name for number in range(1, len(self._specs) + 2)
            if (name := wanted if number == 1 else f"{wanted}_{number}") not in self._specs
        )  # fmt: skip

    def _needed(self, templates: Templates, where: str) -> set[str]:
        needed = {path.split(".")[1] for path in templates.paths if path.startswith("steps.")}
        if strange := needed - self._specs.keys():
            raise InvalidInput(f"{where}: it refers to {min(strange)!r}, a step of another transaction", field=where)
        return needed

    def _rollback(self, given: PlannedCompensation | Rollback | None, where: str) -> Rollback | None:
        """One that is a `Rollback` already is taken as it is, placeholders and all."""
        if not isinstance(given, PlannedCompensation):
            return given
        return Rollback(given.action, Templates(self, "step").params(given.params, f"{where}.rollback.params"))

    def _awaited(self, name: str, after: PlannedStep | Iterable[PlannedStep] | None, where: str) -> set[str]:
        if after is None:
            return set()
        awaited = [after] if isinstance(after, PlannedStep) else list(after)
        Templates(self).params({str(number): one for number, one in enumerate(awaited)}, f"{where}.after")
        self._free.add(name)
        return {one.name for one in awaited}


def _filter(templates: Templates, when: Condition | Filter | None, where: str) -> Filter | None:
    return templates.condition(when, where) if isinstance(when, Condition) else when
