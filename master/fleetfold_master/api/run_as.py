"""Running work on behalf of an absent identity: its role and scopes apply as if it had sent the request itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from fleetfold_master.access.authorizer import Authorizer, Principal
from fleetfold_master.api.binding import VerbGroup
from fleetfold_master.api.denied_requests import AuditSink
from fleetfold_shared import verbs
from fleetfold_shared.errors import FleetfoldError, Forbidden
from fleetfold_shared.messages import Run, Transact
from fleetfold_shared.verbs import Verb

__all__ = ["RunAs", "verb_of"]


def verb_of(work: Run | Transact) -> Verb[Any, Any]:
    """The verb that starts this kind of work."""
    return verbs.actions.RUN if isinstance(work, Run) else verbs.transactions.RUN


class RunAs:
    """Calls the handlers of `groups` that start work."""

    def __init__(self, authorizer: Authorizer, audit: AuditSink, groups: Iterable[VerbGroup]) -> None:
        self._authorizer, self._audit = authorizer, audit
        self._handlers = {binding.verb: binding for group in groups for binding in group.bindings()}

    async def begin(self, work: Run | Transact, caller: str, schedule: str) -> None:
        """Start work on behalf of `caller`, for this schedule, and audit it.

        Raises `Forbidden` if the identity no longer exists or lacks permission, and whatever the handler raises.
        """
        role, fire = "", verbs.schedules.FIRE.name
        try:
            if not self._authorizer.knows(caller):
                await self._authorizer.look_again()
            principal = self._authorizer.principal(caller)
            role = principal.role
            await self.ask(work, principal)
        except FleetfoldError as error:
            outcome = "refused" if isinstance(error, Forbidden) else "failed"
            self._audit.note(caller, fire, outcome, role=role, target=work.id, reason=error.code)  # type: ignore[arg-type]  # of the two
            raise
        self._audit.note(caller, fire, "ok", role=role, target=f"{schedule} {work.id}")

    async def ask(self, work: Run | Transact, principal: Principal) -> None:
        """Start work for a known caller."""
        verb = verb_of(work)
        self._authorizer.check(principal, verb.name)
        await self._handlers[verb].answer(work, principal)

    async def check(self, work: Run | Transact, principal: Principal) -> None:
        """Raise what a dry run would raise, and start nothing."""
        await self.ask(replace(work, dry_run=True), principal)
