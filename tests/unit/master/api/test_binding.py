"""Handlers and the verb table match, or the master does not start."""

from __future__ import annotations

import pytest

from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api import Binding, BindingError, bind
from fleetfold_master.api.audit_target import AuditSubject
from fleetfold_shared import verbs
from fleetfold_shared.messages import Job, JobFollow, JobGet, NodeGet, NodeRecord, NodeRemove, NodeRemoved
from fleetfold_shared.verbs import Verb

TABLE = {verb.name: verb for verb in (verbs.nodes.GET, verbs.nodes.REMOVE, verbs.jobs.FOLLOW)}


async def show(ask: NodeGet, who: Principal) -> NodeRecord:
    raise NotImplementedError


async def remove(ask: NodeRemove, who: Principal) -> NodeRemoved:
    return NodeRemoved(node=f"{ask.node} by {who.name}")


async def follow(ask: JobFollow, who: Principal, say: Say) -> Job:
    raise NotImplementedError


async def get_job(ask: JobGet, who: Principal) -> Job:
    raise NotImplementedError


def touches(ask: NodeRemove, answer: object | None) -> AuditSubject:
    return AuditSubject(ask.node)


GET = Binding(verbs.nodes.GET, show)
REMOVE = Binding(verbs.nodes.REMOVE, remove, touches)
FOLLOW = Binding(verbs.jobs.FOLLOW, stream=follow)


class Group:
    def __init__(self, *bindings: Binding) -> None:  # type: ignore[type-arg]  # of any verb
        self._bindings = bindings

    def bindings(self) -> tuple[Binding, ...]:  # type: ignore[type-arg]
        return self._bindings


async def test_every_verb_is_bound_to_its_handler() -> None:
    bound = bind([Group(GET, REMOVE), Group(FOLLOW)], TABLE)
    assert bound == {"nodes.get": GET, "nodes.remove": REMOVE, "jobs.follow": FOLLOW}
    reply = await bound["nodes.remove"].answer(NodeRemove(node="blog"), Principal("ann", "operator"))
    assert reply == NodeRemoved(node="blog by ann")


STRANGE = Verb("jobs.get", JobGet, Job, "Another one of the name.", roles={})


@pytest.mark.parametrize(
    ("group", "why"),
    [
        (Group(GET, REMOVE), "jobs.follow has no handler"),
        (Group(), "nodes.get has no handler; nodes.remove has no handler; jobs.follow has no handler"),
        (Group(GET, REMOVE, FOLLOW, GET), "nodes.get has 2 handlers"),
        (Group(GET, REMOVE, FOLLOW, Binding(STRANGE, get_job)), "jobs.get has a handler and is not in the table"),
        (Group(GET, Binding(verbs.nodes.REMOVE, remove), FOLLOW), "nodes.remove needs an audit subject"),
        (Group(Binding(verbs.nodes.GET, show, touches), REMOVE, FOLLOW), "nodes.get needs no audit subject"),  # type: ignore[arg-type]
        (Group(GET, REMOVE, Binding(verbs.jobs.FOLLOW, follow)), "jobs.follow needs stream, and only that"),  # type: ignore[arg-type]
        (Group(Binding(verbs.nodes.GET, stream=follow), REMOVE, FOLLOW), "nodes.get needs handle, and only that"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_does_not_match_the_table_is_named(group: Group, why: str) -> None:
    with pytest.raises(BindingError) as error:
        bind([group], TABLE)
    assert str(error.value) == f"{why}: handlers and the verb table must match"
