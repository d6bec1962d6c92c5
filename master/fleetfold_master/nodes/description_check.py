"""The check of a node's description: bounds on the number of declarations, and on their values.

The check belongs to the master and not to the message type, so that rows of earlier versions stay readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionInfo, CollectionInfo, NodeDescription
from fleetfold_shared.text.declared_keys import declared_keys
from fleetfold_shared.text.term_statistics import MAX_DOCUMENTS

__all__ = [
    "MAX_ACTIONS", "MAX_COLLECTIONS", "MAX_EPOCH", "MAX_LABELS", "MAX_SCHEMA_BYTES", "check_description",
    "check_epochs",
]  # fmt: skip

MAX_COLLECTIONS = 256
MAX_ACTIONS = 512
MAX_LABELS = 64
MAX_SCHEMA_BYTES = 64 * 1024
"""Limit of each JSON Schema of an action: of its parameters, and of its result."""
MAX_EPOCH = 2**63 - 1

_MOST_NAME_CHARS = 200  # of an analyzer, an embedder, a version
_MOST_SUMMARY_CHARS = 2000
_MOST_S = 30 * 86_400.0
_MOST_COUNTED = 1_000_000
_MOST_UNIX_S = 1e11


def check_description(description: NodeDescription, known: NodeDescription | None = None) -> None:
    """Raise `InvalidInput`, naming the field that no correct node sends: `collections[2].documents`.

    Actions, which rarely change, are not checked again if they equal the `known` ones.
    """
    for name in ("incarnation", "version", "analyzer", "embedder"):
        _text(name, getattr(description, name), _MOST_NAME_CHARS)
    _count("labels", description.labels, MAX_LABELS)
    _count("collections", description.collections, MAX_COLLECTIONS)
    _unique("collections", [one.name for one in description.collections])
    for place, collection in enumerate(description.collections):
        _check_collection(collection, f"collections[{place}]")
    for capability, count in description.withheld.items():
        _within(f"withheld.{capability}", count, 0, _MOST_COUNTED)
    if known is None or known.actions != description.actions:
        _check_actions(description.actions)


def check_epochs(epochs: dict[str, int]) -> None:
    """Raise `InvalidInput` for epochs of too many collections, or out of range."""
    _count("epochs", epochs, MAX_COLLECTIONS)
    for name, epoch in epochs.items():
        _within(f"epochs.{name[:80]}", epoch, 0, MAX_EPOCH)


def _check_collection(collection: CollectionInfo, path: str) -> None:
    for name in ("documents", "left_out", "repeated", "without_text"):
        _within(f"{path}.{name}", getattr(collection, name), 0, MAX_DOCUMENTS)
    _within(f"{path}.epoch", collection.epoch, 0, MAX_EPOCH)
    _within(f"{path}.updated_at", collection.updated_at or 0.0, 0, _MOST_UNIX_S)
    try:
        declared_keys(collection.keys)
    except InvalidInput as error:
        raise InvalidInput(f"{path}.{error.message}", field=f"{path}.keys") from None


def _check_actions(actions: Sequence[ActionInfo]) -> None:
    _count("actions", actions, MAX_ACTIONS)
    _unique("actions", [one.name for one in actions])
    for action in actions:
        path = f"actions.{action.name}"
        _within(f"{path}.timeout_s", action.timeout_s, 0, _MOST_S)
        _within(f"{path}.heartbeat_s", action.heartbeat_s or 0.0, 0, _MOST_S)
        _within(f"{path}.slots", action.slots or 1, 1, _MOST_COUNTED)
        _text(f"{path}.summary", action.summary, _MOST_SUMMARY_CHARS)
        for name in ("schema", "result"):
            size = len(msgspec.json.encode(getattr(action, name)))
            if size > MAX_SCHEMA_BYTES:
                raise _refused(f"{path}.{name}", f"{size} bytes of JSON; at most {MAX_SCHEMA_BYTES} are taken")


def _unique(path: str, names: Iterable[str]) -> None:
    seen = set[str]()
    for name in names:
        if name in seen:
            raise _refused(path, f"{name!r} is there twice")
        seen.add(name)


def _count(path: str, given: Sequence[object] | dict[str, object] | dict[str, str] | dict[str, int], most: int) -> None:
    if len(given) > most:
        raise _refused(path, f"{len(given)} of them; a node has at most {most}")


def _text(path: str, text: str, most: int) -> None:
    if len(text) > most:
        raise _refused(path, f"it has {len(text)} characters; at most {most} are taken")


def _within(path: str, number: float, least: float, most: float) -> None:
    if not least <= number <= most:
        raise _refused(path, f"{number} is outside {least:g} to {most:g}")


def _refused(path: str, why: str) -> InvalidInput:
    return InvalidInput(f"{path}: {why}", field=path)
