"""Sort order of a search, applied by nodes to documents and by the master to nodes' answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.search_criteria import Scalar, Sort
from fleetfold_shared.query.value_normalisation import NOTHING, check_field, kind_of

__all__ = ["MAX_SORTS", "SCORE", "check_sort", "descending", "sorted_stably"]

MAX_SORTS = 3
SCORE = "_score"
"""Sort key for the score, which is not a field."""

T = TypeVar("T")


def check_sort(sorts: Sequence[Sort]) -> None:
    """Raise `InvalidInput` for the key that is wrong: `sort[1].field`."""
    if len(sorts) > MAX_SORTS:
        raise InvalidInput(f"sort: {len(sorts)} keys are too many; give at most {MAX_SORTS}", field="sort")
    for place, sort in enumerate(sorts):
        path = f"sort[{place}].field"
        check_field(sort.field, path)
        if any(sort.field == before.field for before in sorts[:place]):
            raise InvalidInput(f"{path}: {sort.field!r} is a key already; give it once", field=path)


def descending(sort: Sort) -> bool:
    """Tell whether a key sorts in descending order."""
    return sort.order == "desc" or (sort.order is None and sort.field == SCORE)


def sorted_stably(items: Iterable[T], sorts: Sequence[Sort], values: Callable[[T], Sequence[Scalar]]) -> list[T]:
    """Sort items stably by `sorts`. `values(item)` returns a plain value for each sort key.

    In both orders numbers come before texts, texts before booleans, and items without a value come last.
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
