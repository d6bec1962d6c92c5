"""The assignment of replicated collections to the holders that are asked, and their fallbacks. Pure.

Collections that declare the same `replica` are a group, and each group is asked once, of the holder that the balancing
strategy puts first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.plan.target_nodes import Key, TargetNodes
from fleetfold_shared.messages import NodeReport

__all__ = ["ReplicaAssignment", "assign_replicas", "groups_of"]


@dataclass(frozen=True, slots=True)
class ReplicaAssignment:
    """Which node is asked for which collections. `holders` are the available nodes by group, the best first;
    `servers` the ones asked now; `groups` all replicated collections, also on absent nodes."""

    asked_all: Mapping[str, list[str]]
    keys: Sequence[Key]
    groups: Mapping[Key, str] = field(default_factory=dict)
    holders: Mapping[str, Sequence[Key]] = field(default_factory=dict)
    servers: Mapping[str, Key] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, list[str]]:
        """By node, its own collections and the replicated ones that it is asked for; nodes with neither are left
        out."""
        asked = {
            node: [name for name in names if self._is_asked((node, name))] for node, names in self.asked_all.items()
        }
        return {node: names for node, names in asked.items() if names}

    def fallbacks(self, node: str, tried: Collection[str]) -> dict[str, Key]:
        """By group that `node` is asked for, the next holder not yet `tried`; groups without one are left out."""
        found = dict[str, Key]()
        for group, server in self.servers.items():
            left = [key for key in self.holders[group] if key[0] not in tried] if server[0] == node else []
            if left:
                found[group] = left[0]
        return found

    def has_own(self, node: str) -> bool:
        """Whether `node` is asked for something that no other node holds."""
        return any((node, name) not in self.groups for name in self.asked_all.get(node, ()))

    def moved(self, servers: Mapping[str, Key]) -> ReplicaAssignment:
        """A copy in which other holders are asked for some groups."""
        return ReplicaAssignment(self.asked_all, self.keys, self.groups, self.holders, {**self.servers, **servers})

    def reports(self, known: Mapping[str, NodeReport]) -> dict[str, NodeReport]:
        """A report for every node; nodes not asked, or failed, name the one asked instead."""
        found = dict(known)
        for node in {node for node, _ in self.groups}:
            others = [
                server[0] for key, group in self.groups.items()
                if key[0] == node and (server := self.servers.get(group)) is not None and server[0] != node
            ]  # fmt: skip
            report = known.get(node)
            if report is None and others:
                why = f"{others[0]} holds the same documents and was asked"
                found[node] = NodeReport(node, "not_selected", reason=why, replica=others[0])
            elif report is not None and others and report.status not in {"ok", "partial"}:
                found[node] = replace(report, replica=others[0])
        return found

    def is_replaced(self, node: str, reports: Mapping[str, NodeReport]) -> bool:
        """Whether everything that `node` holds has come from other nodes."""
        groups = [self.groups.get(key) for key in self.keys if key[0] == node]
        servers = [self.servers.get(group) for group in groups if group is not None]
        return bool(groups) and None not in groups and all(
            server is not None and server[0] in reports and reports[server[0]].status == "ok" for server in servers
        )  # fmt: skip

    def expected_keys(self) -> list[Key]:
        """The collections expected to answer: of each group the asked holder, or the first absent one."""
        first = dict[str, Key]()
        for key in sorted(key for key in self.keys if key in self.groups):
            first.setdefault(self.groups[key], key)
        stand = {**first, **self.servers}
        return [key for key in self.keys if key not in self.groups or stand[self.groups[key]] == key]

    def without(self, nodes: Collection[str]) -> ReplicaAssignment:
        """A copy in which these nodes are not asked, without fallbacks."""
        if not nodes:
            return self
        servers = {group: key for group, key in self.servers.items() if key[0] not in nodes}
        asked = {node: names for node, names in self.asked_all.items() if node not in nodes}
        holders = {group: [key for key in self.holders[group] if key[0] not in nodes] for group in servers}
        return ReplicaAssignment(asked, self.keys, self.groups, holders, servers)

    def counted(self, is_better: Callable[[Key], tuple[float, ...]]) -> list[Key]:
        """The collections whose statistics count: of each group the one that `is_better` rates highest, ties by
        name."""
        best = dict[str, Key]()
        for key in sorted(key for key in self.keys if key in self.groups):
            known = best.setdefault(self.groups[key], key)
            if is_better(key) > is_better(known):
                best[self.groups[key]] = key
        return [key for key in self.keys if key not in self.groups or best[self.groups[key]] == key]

    def pins(self) -> list[str]:
        """The asked holders of replicated collections, for the next page, as `node/collection`."""
        return [f"{node}/{name}" for node, name in self.servers.values()]

    def _is_asked(self, key: Key) -> bool:
        group = self.groups.get(key)
        return group is None or self.servers.get(group) == key


def groups_of(nodes: Iterable[StoredNode], keys: Collection[Key]) -> dict[Key, str]:
    """By collection of `keys`, the group it declares; groups with a single holder are left out."""
    wanted = set(keys)
    found = {
        (node.name, one.name): one.replica
        for node in nodes for one in node.description.collections
        if one.replica is not None and (node.name, one.name) in wanted
    }  # fmt: skip
    sizes = dict[str, int]()
    for group in found.values():
        sizes[group] = sizes.get(group, 0) + 1
    return {key: group for key, group in found.items() if sizes[group] > 1}


def assign_replicas(
    targets: TargetNodes,
    groups: Mapping[Key, str],
    order: Callable[[Sequence[Key]], Sequence[Key]],
    pins: Collection[str] = (),
) -> ReplicaAssignment:
    """Choose one holder per group among the target nodes: the first by `order`, but `pins`, those of the previous page,
    are kept.
    """
    by_group = dict[str, list[Key]]()
    for node, names in targets.asked.items():
        for name in names:
            if (group := groups.get((node, name))) is not None:
                by_group.setdefault(group, []).append((node, name))
    holders = {
        group: sorted(order(keys), key=lambda key: f"{key[0]}/{key[1]}" not in pins) for group, keys in by_group.items()
    }
    servers = {group: keys[0] for group, keys in holders.items()}
    return ReplicaAssignment(targets.asked, targets.keys, groups, holders, servers)
