"""The versions of collections: the epochs that nodes have reported, a lower bound of what they answer from."""

from __future__ import annotations

from collections.abc import Mapping

from fleetfold_master.events import CollectionChanged, Publish, publish_to_nobody
from fleetfold_master.nodes.description_check import MAX_COLLECTIONS, check_epochs
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import NodeDescription

__all__ = ["CollectionVersions"]


class CollectionVersions:
    """The newest epochs that each node has reported since this master started; stored ones do not count.

    Within an incarnation they only rise, because a heartbeat may arrive after a result that was sent later. Each rise
    is published; the first report of an incarnation is none.
    """

    def __init__(self, publish: Publish = publish_to_nobody) -> None:
        self._publish = publish
        self._reported: dict[str, tuple[str, dict[str, int]]] = {}

    def described(self, node: str, description: NodeDescription) -> None:
        """Record the node's description; a new incarnation replaces the old one."""
        epochs = {collection.name: collection.epoch for collection in description.collections}
        if self._reported.get(node, ("",))[0] != description.incarnation:
            self._reported[node] = description.incarnation, epochs
        else:
            self.record(node, description.incarnation, epochs)

    def record(self, node: str, incarnation: str, epochs: Mapping[str, int]) -> bool:
        """Record epochs sent with another message. Returns whether any is new. Those of an unknown incarnation are
        ignored."""
        if not incarnation:
            return False
        last = self._reported.get(node)
        if last is not None and last[0] == incarnation and epochs.items() <= last[1].items():
            return False  # as nearly always: each result reports all epochs
        try:
            check_epochs(dict(epochs))
        except InvalidInput:
            return False  # not a collection of this node; earlier reports stay
        is_first = node not in self._reported
        known, mine = self._reported.setdefault(node, (incarnation, {}))
        if known != incarnation:
            return False
        news = {name: epoch for name, epoch in epochs.items() if epoch > mine.get(name, -1)}
        if len(mine.keys() | news.keys()) > MAX_COLLECTIONS:
            return False
        mine.update(news)
        for name, epoch in news.items() if not is_first else ():
            self._publish(CollectionChanged(node, name, epoch))
        return bool(news)

    def of(self, node: str) -> tuple[str, Mapping[str, int]] | None:
        """The node's incarnation and its epochs by collection; None before its first report."""
        return self._reported.get(node)

    def forget(self, node: str) -> None:
        """Remove the node."""
        self._reported.pop(node, None)
