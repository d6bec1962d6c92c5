"""Who may be given commands, as jobs and transactions ask it."""

from __future__ import annotations

from fleetfold_master.nodes.registry import Registry

__all__ = ["CommandHealth"]


class CommandHealth:
    """The `Health` of jobs and transactions: a node whose index alone fails still runs actions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def healthy(self, node: str) -> bool:
        """Whether the node is there and its ledger works."""
        return self._registry.acts(node)
