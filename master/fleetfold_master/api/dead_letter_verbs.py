"""`letters.<verb>`: listing, showing, retrying and discarding dead letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.roles import reach
from fleetfold_master.api.audit_subject import AuditSubject
from fleetfold_master.api.guard import Verb
from fleetfold_master.api.run_as import RunAs
from fleetfold_master.dead_letters import DeadLetters
from fleetfold_master.payload_budget import ROOM_BYTES
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

__all__ = ["DeadLetterVerbs"]


class DeadLetterVerbs:
    """The handlers. Retrying requires permission for the dead letter's action. `redeliver` retries an abandoned
    callback."""

    def __init__(self, letters: DeadLetters, starting: RunAs, redeliver: Callable[[str], Awaitable[None]]) -> None:
        self._letters, self._starting, self._redeliver = letters, starting, redeliver

    def verbs(self) -> dict[str, Verb[Any]]:
        """All handlers, by verb."""
        return {
            "letters.list": Verb(DeadLetterList, self._list),
            "letters.get": Verb(DeadLetterGet, self._show),
            "letters.retry": Verb(DeadLetterRetry, self._retry, _touches),
            "letters.drop": Verb(DeadLetterDrop, self._drop, _touches),
        }

    async def _list(self, ask: DeadLetterList, who: Principal) -> DeadLetterListed:
        """As many dead letters as fit into an answer."""
        own = who.name if reach(who.role, "letters.list") == "own" else None
        letters, total = await self._letters.list(ask, caller=own)
        seen = [letter for letter in letters if who.may_node(letter.node)]
        total -= len(letters) - len(seen)
        fitting, left = list[DeadLetter](), ROOM_BYTES
        for letter in seen:
            left -= len(msgspec.json.encode(letter))
            if left < 0 and fitting:
                break
            fitting.append(letter)
        return DeadLetterListed(letters=fitting, total=total)

    async def _show(self, ask: DeadLetterGet, who: Principal) -> DeadLetter:
        return await self._seen(ask.id, who, "letters.get")

    async def _retry(self, ask: DeadLetterRetry, who: Principal) -> DeadLetterRetried:
        letter = await self._seen(ask.id, who, "letters.retry")
        if letter.reason == "undelivered":
            await self._redeliver(letter.command)
            await self._letters.drop(letter.id)  # a repeated failure makes a new dead letter
            return DeadLetterRetried(id=ask.id, job=letter.job or letter.tx or "")
        run = await self._letters.again(letter)
        try:
            await self._starting.ask(run, who)
        except Conflict:  # the same retry was begun before, by a master that died before it recorded that
            await self._letters.retried(letter, run, "")
            raise
        await self._letters.retried(letter, run, who.name)
        return DeadLetterRetried(id=ask.id, job=run.id)

    async def _drop(self, ask: DeadLetterDrop, who: Principal) -> DeadLetterDropped:
        await self._seen(ask.id, who, "letters.drop")
        await self._letters.drop(ask.id)
        return DeadLetterDropped(id=ask.id)

    async def _seen(self, key: str, who: Principal, verb: str) -> DeadLetter:
        letter = await self._letters.get(key)
        if not who.may_node(letter.node) or (reach(who.role, verb) == "own" and letter.caller != who.name):
            raise Forbidden(f"id: the letter {key!r} is not for {who.name!r}", field="id")
        return letter


def _touches(
    ask: DeadLetterRetry | DeadLetterDrop, answer: DeadLetterRetried | DeadLetterDropped | None
) -> AuditSubject:
    return AuditSubject(target=f"{ask.id[:80]} {answer.job}" if isinstance(answer, DeadLetterRetried) else ask.id[:80])
