"""A client whose requests are recorded, and sent to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import pytest

from fleetfold import Client
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import Message, decode, encode

__all__ = ["AnsweringBus", "RecordingBus", "asked", "sent"]

M = TypeVar("M", bound=Message)


class RecordingBus:
    """Records the first request, and refuses it."""

    caller, subjects, connection = "ann", Subjects(), SimpleNamespace(is_up=True)

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []

    async def ask_api(self, verb: str, data: bytes, timeout_s: float, *, repeatable: bool) -> Any:
        self.requests.append((verb, data))
        raise Forbidden("not you")

    def hedging(self, *_: object) -> None:
        return None

    async def in_parts(self, _bus: object, subject: str, data: bytes, *_: object) -> AsyncGenerator[Any, None]:
        self.requests.append((subject.removeprefix("fleet.api.ann."), data))
        raise Forbidden("not you")
        yield


class AnsweringBus:
    """Gives one answer after the other; an error is raised, and after the last it is silent.

    `verbs` are those that were asked; `asked` is set when all answers are given.
    """

    caller, subjects, connection = "ann", Subjects(), SimpleNamespace(is_up=True)

    def __init__(self, *answers: Message | Exception) -> None:
        self._answers = list(answers)
        self.verbs: list[str] = []
        self.asked = asyncio.Event()

    def hedging(self, *_: object) -> None:
        return None

    async def ask_api(self, verb: str, data: bytes, timeout_s: float, *, repeatable: bool) -> Any:
        self.verbs.append(verb)
        if not self._answers:
            self.asked.set()
            await asyncio.Event().wait()
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(data=encode(answer), headers=None)


async def sent(call: Callable[[Client], Awaitable[object]]) -> tuple[str, bytes]:
    """The verb and the body of the first request that `call` sends."""
    bus = RecordingBus()
    with patch("fleetfold.caller.in_parts", bus.in_parts), pytest.raises(Forbidden):
        await call(Client(bus))  # type: ignore[arg-type]
    return bus.requests[0]


async def asked(call: Callable[[Client], Awaitable[object]], kind: type[M]) -> M:
    """The message that `call` sends."""
    return decode((await sent(call))[1], kind)
