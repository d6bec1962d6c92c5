"""Health of nodes as far as commands are concerned."""

from __future__ import annotations

from fleetfold_master.nodes.registry import Registry

__all__ = ["CommandHealth"]


class CommandHealth:
    """The `NodeHealth` of jobs and transactions: a node of which only the index fails still runs actions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def healthy(self, node: str) -> bool:
        """Whether the node is up and its ledger works."""
        return self._registry.acts(node)
