"""Answerer of a node: an async function that answers a question from passages."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from fleetfold_child.commands.exit_containment import ContainedTasks, is_from_outside
from fleetfold_shared.errors import DeadlineExceeded, InternalError, InvalidInput, NotFound
from fleetfold_shared.messages import NodeAnswer, NodeQuestion, Passage
from fleetfold_shared.values import check_text

__all__ = ["Answerer", "answered", "check_answerer"]

Answerer = Callable[[str, list[Passage]], Awaitable[str]]
"""Answers a question; cites a passage by its number as `[n]`."""


def check_answerer(function: Answerer) -> Answerer:
    """Raise `InvalidInput` when it is not an async function of two arguments."""
    if not inspect.iscoroutinefunction(function):
        raise InvalidInput("answers: it must be an async function; write 'async def'", field="answers")
    try:
        inspect.signature(function).bind("question", [])
    except TypeError:
        raise InvalidInput("answers: it must take the question and the list of passages", field="answers") from None
    return function


async def answered(answerer: Answerer | None, ask: NodeQuestion, timeout_s: float | None) -> NodeAnswer:
    """Return the answerer's answer to the question, within `timeout_s` seconds."""
    if answerer is None:
        raise NotFound("by: this node does not answer questions itself", field="by")
    task = asyncio.current_task()
    try:
        async with asyncio.timeout(timeout_s):
            with ContainedTasks():
                text = await answerer(ask.question, ask.passages)
    except TimeoutError:
        raise DeadlineExceeded("the node's answerer did not end in time") from None
    except BaseException as error:
        if isinstance(error, Exception) or is_from_outside(error, task):
            raise
        raise InternalError(f"the node's answerer raised {type(error).__name__}") from error
    if not isinstance(text, str):
        raise InternalError(f"the node's answerer gives {type(text).__name__}, not text")
    check_text(text, "the node's answer")
    return NodeAnswer(text=text)
