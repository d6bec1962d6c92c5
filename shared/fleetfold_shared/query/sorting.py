"""The order that a search asks for. A node puts its documents into it and the master the nodes' answers, both here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.criteria import Scalar, Sort
from fleetfold_shared.query.field_values import NOTHING, check_field, kind_of

__all__ = ["MAX_SORTS", "SCORE", "arranged", "check_sort", "descending"]

MAX_SORTS = 3
SCORE = "_score"
"""The key that stands for the score, and for no field."""

T = TypeVar("T")


def check_sort(sorts: Sequence[Sort]) -> None:
    """`InvalidInput` naming the key that is wrong: `sort[1].field`."""
    if len(sorts) > MAX_SORTS:
        raise InvalidInput(f"sort: {len(sorts)} keys are too many; give at most {MAX_SORTS}", field="sort")
    for place, sort in enumerate(sorts):
        path = f"sort[{place}].field"
        check_field(sort.field, path)
        if any(sort.field == before.field for before in sorts[:place]):
            raise InvalidInput(f"{path}: {sort.field!r} is a key already; give it once", field=path)


def descending(sort: Sort) -> bool:
    """Whether the largest comes first."""
    return sort.order == "desc" or (sort.order is None and sort.field == SCORE)


def arranged(items: Iterable[T], sorts: Sequence[Sort], values: Callable[[T], Sequence[Scalar]]) -> list[T]:
    """The items by `sorts`; equals keep the order they come in. `values` of an item has a plain value for each sort.

    In either order numbers come before texts, texts before booleans, and what has no value comes last.
    """
    ordered = list(items)
    for place, sort in reversed(list(enumerate(sorts))):
        groups: list[list[tuple[Any, T]]] = [[] for _ in range(NOTHING + 1)]
        for item in ordered:
            value = values(item)[place]
            groups[kind_of(value)].append((value, item))
        for group in groups[:NOTHING]:
            group.sort(key=_first, reverse=descending(sort))
        ordered = [item for _, item in chain.from_iterable(groups)]
    return ordered


def _first(pair: tuple[Any, object]) -> Any:
    return pair[0]
