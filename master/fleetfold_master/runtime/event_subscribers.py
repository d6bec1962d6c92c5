"""All subscribers of a master's events, in the order in which they are called.

A new subscriber is one file and one entry here. It returns at once: I/O goes on a task or a queue of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetfold_master.access.flood_response import log_flood
from fleetfold_master.access.replaced_process_audit import RefusedAnswerAudit
from fleetfold_master.cluster import SHARED_CHANGES
from fleetfold_master.events import AnswerRefused, IdentityFlooded, NameTaken, SessionStolen, Subscription, subscribe
from fleetfold_master.runtime.auth import Auth
from fleetfold_master.runtime.infrastructure import Infrastructure

__all__ = ["event_subscribers"]


def event_subscribers(infra: Infrastructure, auth: Auth) -> Sequence[Subscription]:
    """The list that the event hub is opened with."""
    replaced = RefusedAnswerAudit(auth.access.audit)
    return (
        subscribe(infra.invalidation.tell_peers, *SHARED_CHANGES),
        subscribe(infra.gateway.end_replaced, AnswerRefused),
        subscribe(auth.cut_replaced, NameTaken),
        subscribe(replaced.note, AnswerRefused),
        subscribe(replaced.note_taken, NameTaken),
        *_responses(auth),
    )


def _responses(auth: Auth) -> Sequence[Subscription]:
    if (response := auth.flood_response) is None:
        return (subscribe(log_flood, IdentityFlooded),)
    return (subscribe(response.end_flood, IdentityFlooded), subscribe(response.end_stolen, SessionStolen))
