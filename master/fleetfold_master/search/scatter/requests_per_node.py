"""The requests to the nodes: the same for most, and an individual one for nodes that share replicas. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from fleetfold_master.search.plan.replica_assignment import ReplicaAssignment
from fleetfold_master.search.plan.target_nodes import Key
from fleetfold_shared.messages import Place, SearchRequest

__all__ = ["Part", "fallback_requests", "requests_of"]

Part = tuple[list[str], SearchRequest]
"""Nodes, and the request to all of them."""


def requests_of(
    replicas: ReplicaAssignment, ask: SearchRequest, nodes: Collection[str], pins: Collection[str] = ()
) -> list[Part]:
    """The requests for `nodes`. One goes to all nodes that are asked for all their searched collections.

    `pins` are the holders that answered the previous page: a holder that was not among them continues from its own
    position.
    """
    together: list[str] = []
    alone: list[Part] = []
    for node, names in replicas.asked.items():
        if node not in nodes:
            continue
        new = _newcomers(replicas, node, pins) if ask.after is not None and pins else {}
        old = [name for name in names if name not in new]
        alone += [([node], _behind(ask, pin, (node, name))) for name, pin in new.items()]
        if old == replicas.asked_all[node]:
            together.append(node)
        elif old:
            alone.append(([node], replace(ask, collections=old)))
    return [(together, ask), *alone] if together else alone


def fallback_requests(
    replicas: ReplicaAssignment, servers: Mapping[str, Key], ask: SearchRequest, pins: Collection[str]
) -> list[Part]:
    """The requests for fallbacks that replace the holders in `replicas` for some groups."""
    found = dict[str, list[str]]()
    alone: list[Part] = []
    for group, (node, name) in servers.items():
        before = _pinned(replicas, group, pins) or replicas.servers[group]
        if ask.after is not None and before != (node, name):
            alone.append(([node], _behind(ask, before, (node, name))))
        else:
            found.setdefault(node, []).append(name)
    return [*(([node], replace(ask, collections=names)) for node, names in found.items()), *alone]


def _newcomers(replicas: ReplicaAssignment, node: str, pins: Collection[str]) -> dict[str, Key]:
    """The collections of `node` for which another holder was asked on the previous page, with that holder."""
    found = dict[str, Key]()
    for group, (server, name) in replicas.servers.items():
        pinned = _pinned(replicas, group, pins)
        if server == node and pinned is not None and pinned != (server, name):
            found[name] = pinned
    return found


def _pinned(replicas: ReplicaAssignment, group: str, pins: Collection[str]) -> Key | None:
    return next((key for key, its in replicas.groups.items() if its == group and f"{key[0]}/{key[1]}" in pins), None)


def _behind(ask: SearchRequest, before: Key, now: Key) -> SearchRequest:
    """The request for a holder that continues from another one's position: equal scores are ordered by node."""
    place = ask.after
    assert place is not None
    here = (place.node, place.collection)
    if before == here:
        place = Place(place.score, *now, place.id)
    else:  # all documents of that score were on earlier pages, or none
        place = Place(place.score, "~" if before < here else "", "", "")
    return replace(ask, collections=[now[1]], after=place)
