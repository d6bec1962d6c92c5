"""Publish and subscribe permissions of each grant, as the broker enforces them; everything not listed is denied.

A queue group after a subject is part of the permission: without it a node could receive a share of another node's
requests by joining its group. The children's account has no JetStream: all that a child may publish to it are acks of
its own deliveries, by their full subject.

No identity has `allow_responses`, and within the account no identity may publish what another may receive: only masters
reach an identity. A test checks all pairs. Reasons: docs/decisions/0006 and docs/decisions/0007.
"""

from __future__ import annotations

from typing import Any

from fleetfold_broker.identity.grants import Grant
from fleetfold_broker.jetstream.topology import COMMANDS
from fleetfold_broker.subjects import Subjects, inbox
from fleetfold_shared.ids import MASTER

__all__ = ["permissions"]

INTROSPECTION = "$SRV.>"
"""Service discovery, ADR-32. Only masters receive and answer it, on behalf of the nodes as well."""


def permissions(grant: Grant, subjects: Subjects) -> dict[str, Any]:
    """Return the `pub` and `sub` fields of a NATS user JWT for `grant`."""
    if grant.grade != "full":
        return _limited([subjects.join(grant.name, grant.grade)], [f"{inbox(grant.inbox)}.>"])
    return _child(grant, subjects) if grant.role == "child" else _client(grant, subjects)


def _child(grant: Grant, subjects: Subjects) -> dict[str, Any]:
    name, may = grant.name, grant.capabilities
    publish = [subjects.heartbeat(name), subjects.gather("*", name)]
    publish += [subjects.join(name, "refresh"), subjects.api(name, "nodes.join")]
    broadcasts = subjects.ask(">" if "search" in may else "ping")
    subscribe = [f"{inbox(name)}.>", f"{broadcasts} {name}", f"{subjects.call(name, '>')} {name}"]
    if "actions" in may:
        publish += [subjects.result(name), subjects.progress(name), f"$JS.ACK.{COMMANDS}.{name}.>"]
        publish.append(subjects.api(name, "commands.confirm"))
        subscribe += [f"{subjects.deliver(name)} {name}", subjects.confirm(name)]
    if "events" in may:
        publish.append(subjects.event(name))
        subscribe.append(f"{subjects.confirm(name)}.>")
    if "api" in may:
        publish.append(subjects.api(name))
    return _limited(publish, subscribe)


def _client(grant: Grant, subjects: Subjects) -> dict[str, Any]:
    name = grant.name
    publish, subscribe = [subjects.api(name)], [f"{inbox(name)}.>"]
    if grant.role in {"admin", "operator"}:
        publish.append(INTROSPECTION)
        subscribe.append(subjects.notify(MASTER))
    if grant.role in {"admin", "operator", "publisher"}:
        publish.append(subjects.event(name))
        subscribe += [f"{subjects.confirm(name)}.>", subjects.notify(name)]
    return _limited(publish, subscribe)


def _limited(publish: list[str], subscribe: list[str]) -> dict[str, Any]:
    return {"pub": {"allow": publish}, "sub": {"allow": subscribe}}
