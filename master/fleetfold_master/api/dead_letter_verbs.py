"""`dead_letters.<verb>`: listing, showing, retrying and discarding dead letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.answer_budget import ROOM_BYTES
from fleetfold_master.api.audit_target import AuditSubject
from fleetfold_master.api.binding import Binding
from fleetfold_master.api.run_as import RunAs
from fleetfold_master.dead_letters import DeadLetters
from fleetfold_shared import verbs
from fleetfold_shared.errors import Conflict, Forbidden
from fleetfold_shared.messages import (
    DeadLetter,
    DeadLetterDrop,
    DeadLetterDropped,
    DeadLetterGet,
    DeadLetterList,
    DeadLetterListed,
    DeadLetterRetried,
    DeadLetterRetry,
)
from fleetfold_shared.verbs import Verb

__all__ = ["DeadLetterVerbs"]


class DeadLetterVerbs:
    """The handlers. Retrying requires permission for the dead letter's action. `redeliver` retries an abandoned
    callback."""

    def __init__(self, dead_letters: DeadLetters, starting: RunAs, redeliver: Callable[[str], Awaitable[None]]) -> None:
        self._dead_letters, self._starting, self._redeliver = dead_letters, starting, redeliver

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.dead_letters.LIST, self._list),
            Binding(verbs.dead_letters.GET, self._show),
            Binding(verbs.dead_letters.RETRY, self._retry, _touches),
            Binding(verbs.dead_letters.DROP, self._drop, _touches),
        )

    async def _list(self, ask: DeadLetterList, who: Principal) -> DeadLetterListed:
        """As many dead letters as fit into an answer."""
        own = who.name if verbs.dead_letters.LIST.roles.get(who.role) == "own" else None
        dead_letters, total = await self._dead_letters.list(ask, caller=own)
        seen = [dead_letter for dead_letter in dead_letters if who.may_node(dead_letter.node)]
        total -= len(dead_letters) - len(seen)
        fitting, left = list[DeadLetter](), ROOM_BYTES
        for dead_letter in seen:
            left -= len(msgspec.json.encode(dead_letter))
            if left < 0 and fitting:
                break
            fitting.append(dead_letter)
        return DeadLetterListed(dead_letters=fitting, total=total)

    async def _show(self, ask: DeadLetterGet, who: Principal) -> DeadLetter:
        return await self._seen(ask.id, who, verbs.dead_letters.GET)

    async def _retry(self, ask: DeadLetterRetry, who: Principal) -> DeadLetterRetried:
        dead_letter = await self._seen(ask.id, who, verbs.dead_letters.RETRY)
        if dead_letter.reason == "undelivered":
            await self._redeliver(dead_letter.command)
            await self._dead_letters.drop(dead_letter.id)  # a repeated failure makes a new dead letter
            return DeadLetterRetried(id=ask.id, job=dead_letter.job or dead_letter.tx or "")
        run = await self._dead_letters.again(dead_letter)
        try:
            await self._starting.ask(run, who)
        except Conflict:  # the same retry was begun before, by a master that died before it recorded that
            await self._dead_letters.retried(dead_letter, run, "")
            raise
        await self._dead_letters.retried(dead_letter, run, who.name)
        return DeadLetterRetried(id=ask.id, job=run.id)

    async def _drop(self, ask: DeadLetterDrop, who: Principal) -> DeadLetterDropped:
        await self._seen(ask.id, who, verbs.dead_letters.DROP)
        await self._dead_letters.drop(ask.id)
        return DeadLetterDropped(id=ask.id)

    async def _seen(self, key: str, who: Principal, verb: Verb[Any, Any]) -> DeadLetter:
        dead_letter = await self._dead_letters.get(key)
        if not who.may_node(dead_letter.node) or (verb.roles.get(who.role) == "own" and dead_letter.caller != who.name):
            raise Forbidden(f"id: the dead letter {key!r} is not for {who.name!r}", field="id")
        return dead_letter


def _touches(
    ask: DeadLetterRetry | DeadLetterDrop, answer: DeadLetterRetried | DeadLetterDropped | None
) -> AuditSubject:
    return AuditSubject(target=f"{ask.id[:80]} {answer.job}" if isinstance(answer, DeadLetterRetried) else ask.id[:80])
