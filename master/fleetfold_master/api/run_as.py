"""Runs and transactions begun in somebody's name while he is not there: his role and scopes hold as when he asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from fleetfold_master.access.authorizer import Authorizer, Principal
from fleetfold_master.api.denied_requests import AuditSink
from fleetfold_master.api.guard import Verb
from fleetfold_shared.errors import FleetfoldError, Forbidden
from fleetfold_shared.messages import Run, Transact

__all__ = ["RunAs", "verb_of"]


def verb_of(work: Run | Transact) -> str:
    """Who begins this asks for that verb."""
    return "actions.run" if isinstance(work, Run) else "tx.run"


class RunAs:
    """Asks the API's own verbs; `serve` says which they are."""

    def __init__(self, authority: Authorizer, audit: AuditSink) -> None:
        self._authority, self._audit = authority, audit
        self._verbs: Mapping[str, Verb[Any]] = {}

    def serve(self, verbs: Mapping[str, Verb[Any]]) -> None:
        """These are the verbs from now on."""
        self._verbs = verbs

    async def begin(self, work: Run | Transact, caller: str, schedule: str) -> None:
        """Begin it in the name of `caller`, who has put that schedule; whether it may is for the audit log.

        `Forbidden` when there is no such identity any more, or it may not; and whatever the verb refuses.
        """
        role = ""
        try:
            if not self._authority.knows(caller):
                await self._authority.look_again()
            principal = self._authority.principal(caller)
            role = principal.role
            await self.ask(work, principal)
        except FleetfoldError as error:
            outcome = "refused" if isinstance(error, Forbidden) else "failed"
            self._audit.note(caller, "schedules.fire", outcome, role=role, target=work.id, reason=error.code)  # type: ignore[arg-type]  # of the two
            raise
        self._audit.note(caller, "schedules.fire", "ok", role=role, target=f"{schedule} {work.id}")

    async def ask(self, work: Run | Transact, principal: Principal) -> None:
        """Begin it for a caller that is known."""
        verb = verb_of(work)
        self._authority.check(principal, verb)
        await self._verbs[verb].handle(work, principal)

    async def check(self, work: Run | Transact, principal: Principal) -> None:
        """Refuse what its dry run would refuse, and begin nothing."""
        await self.ask(replace(work, dry_run=True), principal)
