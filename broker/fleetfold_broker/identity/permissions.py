"""What each grant may say and hear, as the broker enforces it. Nothing that is not named here.

A queue group after a subject is part of the permission: without it a node could take a share of another's requests by
joining its group. The children's account has no JetStream: the acks of its own deliveries are all that a child can say
to it, by their full name.

Nobody has `allow_responses`. The server does not check which reply subject a request names, so who may answer whatever
it has received may say anything that somebody else has named for it. And nobody in the account may publish what another
in it may hear: only masters reach an identity. A test walks all pairs.
"""

from __future__ import annotations

from typing import Any

from fleetfold_broker.identity.grants import Grant
from fleetfold_broker.jetstream.topology import COMMANDS
from fleetfold_broker.subjects import Subjects, inbox
from fleetfold_shared.ids import MASTER

__all__ = ["permissions"]

INTROSPECTION = "$SRV.>"
"""Service discovery, ADR-32. Masters alone hear and answer it, for the nodes as well."""


def permissions(grant: Grant, subjects: Subjects) -> dict[str, Any]:
    """The `pub` and `sub` of a NATS user JWT."""
    if grant.grade != "full":
        return _limited([subjects.join(grant.name, grant.grade)], [f"{inbox(grant.inbox)}.>"])
    return _child(grant, subjects) if grant.role == "child" else _client(grant, subjects)


def _child(grant: Grant, subjects: Subjects) -> dict[str, Any]:
    it, may = grant.name, grant.capabilities
    say = [subjects.heartbeat(it), subjects.gather("*", it)]
    say += [subjects.join(it, "refresh"), subjects.api(it, "nodes.join")]
    asked = subjects.ask(">" if "search" in may else "ping")
    hear = [f"{inbox(it)}.>", f"{asked} {it}", f"{subjects.call(it, '>')} {it}"]
    if "actions" in may:
        say += [subjects.result(it), subjects.progress(it), f"$JS.ACK.{COMMANDS}.{it}.>"]
        hear += [f"{subjects.deliver(it)} {it}", subjects.kept(it)]
    if "events" in may:
        say.append(subjects.event(it))
        hear.append(f"{subjects.kept(it)}.>")
    if "api" in may:
        say.append(subjects.api(it))
    return _limited(say, hear)


def _client(grant: Grant, subjects: Subjects) -> dict[str, Any]:
    it = grant.name
    say, hear = [subjects.api(it)], [f"{inbox(it)}.>"]
    if grant.role in {"admin", "operator"}:
        say.append(INTROSPECTION)
        hear.append(subjects.tell(MASTER))
    if grant.role in {"admin", "operator", "publisher"}:
        say.append(subjects.event(it))
        hear += [f"{subjects.kept(it)}.>", subjects.tell(it)]
    return _limited(say, hear)


def _limited(say: list[str], hear: list[str]) -> dict[str, Any]:
    return {"pub": {"allow": say}, "sub": {"allow": hear}}
