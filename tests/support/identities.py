"""One identity of each role and each grade, as the broker is told of them, and what any of them must never reach."""

from __future__ import annotations

from fleetfold_broker.identity import Grant, LoginData, LoginRefused
from fleetfold_broker.identity.permissions import permissions
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.messages import CAPABILITIES

__all__ = ["IDENTITIES", "TARGETS", "admit", "concrete", "hears", "may_say", "overlap", "says"]

SUBJECTS = Subjects()
ALL = frozenset(CAPABILITIES)
IDENTITIES: dict[str, Grant] = {
    grant.name: grant
    for grant in (
        Grant(name="ada", role="admin"),
        Grant(name="adam", role="admin"),
        Grant(name="olga", role="operator"),
        Grant(name="omar", role="operator"),
        Grant(name="rita", role="reader"),
        Grant(name="paul", role="publisher"),
        Grant(name="shop", role="child", capabilities=ALL),
        Grant(name="blog", role="child", capabilities=ALL),
        Grant(name="bare", role="child"),
        Grant(name="asks", role="child", grade="request", inbox="asks.0123456789abcdef"),
        Grant(name="joins", role="child", grade="enrol", inbox="joins.0123456789abcdef"),
        Grant(name="renews", role="child", grade="refresh", inbox="renews.0123456789abcdef"),
    )
}
TARGETS = (
    "_INBOX.ada.01x.1", "_INBOX.blog.01x.1", "_INBOX.master.01x.1", "fleet.hb.victim", "fleet.gather.01x.victim",
    "fleet.res.victim", "fleet.prog.victim", "fleet.evt.victim.sale", "fleet.api.victim.keys.create",
    "fleet.api.master.nodes.remove", "fleet.join.victim.refresh", "fleet.cmd.victim", "fleet.deliver.victim",
    "fleet.call.victim.cancel", "fleet.ask.search", "fleet.confirm.victim", "fleet.notify.victim.job.ended",
    "fleet.peer.all.epochs", "fleet.srv.PING", "$SRV.PING", "$JS.API.STREAM.DELETE.FLEET_CMD",
    "$JS.ACK.FLEET_CMD.victim.1.1.1.1795247740699760169.0", "$SYS.REQ.SERVER.PING.KICK",
)  # fmt: skip
"""Subjects by which somebody would do harm in another's name, or a master's."""


async def admit(presented: LoginData) -> Grant:
    """Whoever is of these."""
    if presented.name not in IDENTITIES:
        raise LoginRefused("not one of them")
    return IDENTITIES[presented.name]


def says(grant: Grant) -> list[str]:
    """The patterns it may publish."""
    return list(permissions(grant, SUBJECTS)["pub"]["allow"])


def hears(grant: Grant) -> list[tuple[str, str]]:
    """The patterns it may hear, each with the queue group in which alone it may."""
    pairs = (subject.partition(" ") for subject in permissions(grant, SUBJECTS)["sub"]["allow"])
    return [(subject, queue) for subject, _, queue in pairs]


def concrete(pattern: str) -> str:
    """A subject that the pattern stands for."""
    return ".".join("x" if token in {"*", ">"} else token for token in pattern.split("."))


def may_say(grant: Grant, subject: str) -> bool:
    """Whether it may publish the subject by itself."""
    return any(overlap(pattern, subject) for pattern in says(grant))


def overlap(one: str, other: str) -> bool:
    """Whether a subject exists that both patterns stand for."""
    first, second = one.split("."), other.split(".")
    for a, b in zip(first, second, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(first) == len(second)
