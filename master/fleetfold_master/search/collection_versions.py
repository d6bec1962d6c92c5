"""What nodes have said of their collections' epochs: how new what they answer is, at least."""

from __future__ import annotations

from collections.abc import Mapping

from fleetfold_master.nodes.description_check import MAX_COLLECTIONS, check_epochs
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import NodeDescription

__all__ = ["CollectionVersions"]


class CollectionVersions:
    """The newest epochs that each node has told since this master started; what the store remembers does not count.

    Within an incarnation they only rise: a heartbeat may arrive after a result that was said later.
    """

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, dict[str, int]]] = {}

    def described(self, node: str, description: NodeDescription) -> None:
        """The node that has the name, in its own words: a new incarnation takes the place of the old one."""
        epochs = {collection.name: collection.epoch for collection in description.collections}
        if self._told.get(node, ("",))[0] != description.incarnation:
            self._told[node] = description.incarnation, epochs
        else:
            self.rose(node, description.incarnation, epochs)

    def rose(self, node: str, incarnation: str, epochs: Mapping[str, int]) -> bool:
        """The node told these along with something else: whether any is news. Another incarnation than that which is
        known says nothing.
        """
        if not incarnation:
            return False
        try:
            check_epochs(dict(epochs))
        except InvalidInput:
            return False  # of no node of ours; what it has told before stays
        known, mine = self._told.setdefault(node, (incarnation, {}))
        if known != incarnation:
            return False
        news = {name: epoch for name, epoch in epochs.items() if epoch > mine.get(name, -1)}
        if len(mine.keys() | news.keys()) > MAX_COLLECTIONS:
            return False
        mine.update(news)
        return bool(news)

    def of(self, node: str) -> tuple[str, Mapping[str, int]] | None:
        """The node's incarnation and its epochs by collection; `None` before it has said anything."""
        return self._told.get(node)

    def forget(self, node: str) -> None:
        """The node is out."""
        self._told.pop(node, None)
