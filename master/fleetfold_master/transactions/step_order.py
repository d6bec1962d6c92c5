"""The order of a transaction's steps: by stages, or by dependencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import StepSpec

__all__ = ["StepOrder", "arrange", "wrong"]


@dataclass(frozen=True, slots=True)
class StepOrder:
    """Each step's stage (with dependencies: its depth), and all steps that are done before it."""

    stages: Mapping[str, int]
    before: Mapping[str, frozenset[str]]
    field: str
    remedy: str

    def beside(self, name: str) -> list[str]:
        """The steps that may run at the same time as this one."""
        others = (each for each in self.stages if each != name)
        return [each for each in others if each not in self.before[name] and name not in self.before[each]]


def arrange(specs: Sequence[StepSpec]) -> StepOrder:
    """The order of a transaction's steps. Raises `InvalidInput`, naming a step that cannot be ordered."""
    if any(spec.depends_on is not None for spec in specs):
        return _by_dependencies(specs)
    stages = _stages(specs)
    before = {name: frozenset(each for each in stages if stages[each] < stage) for name, stage in stages.items()}
    return StepOrder(stages, before, "stage", "put it in an earlier stage")


def wrong(spec: StepSpec, where: str, what: str) -> InvalidInput:
    """The error for a field of a step."""
    field = f"steps.{spec.name}.{where}"
    return InvalidInput(f"{field}: {what}", field=field)


def _stages(specs: Sequence[StepSpec]) -> dict[str, int]:
    """Each step's stage. A step without one is a stage of its own, after those before it, which no other step may
    join."""
    stages: dict[str, int] = {}
    own: dict[int, str] = {}
    for spec in specs:
        stage = max(stages.values(), default=-1) + 1 if spec.stage is None else spec.stage
        if stage in own:
            raise wrong(spec, "stage", f"{stage} is already the own stage of {own[stage]}; give that one a stage too")
        if spec.stage is None:
            own[stage] = spec.name
        stages[spec.name] = stage
    return stages


def _by_dependencies(specs: Sequence[StepSpec]) -> StepOrder:
    """Kahn's algorithm, level by level."""
    _check_dependencies(specs)
    stages: dict[str, int] = {}
    before: dict[str, frozenset[str]] = {}
    left = list(specs)
    while left:
        ready = [spec for spec in left if all(name in stages for name in spec.depends_on or ())]
        if not ready:
            circle = ", ".join(spec.name for spec in left)
            raise wrong(left[0], "depends_on", f"these wait for each other in a circle: {circle}")
        for spec in ready:
            names = spec.depends_on or ()
            stages[spec.name] = max((stages[name] + 1 for name in names), default=0)
            before[spec.name] = frozenset(names).union(*(before[name] for name in names))
        left = [spec for spec in left if spec.name not in stages]
    return StepOrder(stages, before, "depends_on", "depend on it")


def _check_dependencies(specs: Sequence[StepSpec]) -> None:
    names = {spec.name for spec in specs}
    for spec in specs:
        if spec.stage is not None:
            raise wrong(spec, "stage", "other steps name what they depend on; use stages or depends_on, not both")
        for name in spec.depends_on or ():
            if name not in names:
                raise wrong(spec, "depends_on", f"there is no step {name!r}; there are {', '.join(sorted(names))}")
