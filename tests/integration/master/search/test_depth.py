"""The depth of a search on the master: few frames lie between the request and what is sent to the nodes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import fleetfold_master
from fleetfold.search_request import SearchOptions
from fleetfold_broker.connection.supervised import SupervisedConnection
from fleetfold_master.search.merge import merge
from fleetfold_shared.messages import Searched, Sort
from support.inprocess import Fleet, fleet, hang

__all__ = ["fleet"]

LONG_S = 60.0
MOST = 18
"""Frames of this project from the request's task to the publish of a shard request, and to the making of a hit."""
MOST_OF_THE_SEARCH = 10
"""As many of them as may lie below the verb's handler."""
ROOT = Path(fleetfold_master.__file__).parents[2]

Stack = tuple[str, ...]
"""Frames from the request's task on, outermost first: `file:function`."""

_above: ContextVar[Stack] = ContextVar("above", default=())
"""The frames that made the present task."""


def frame_name(frame: FrameType) -> str | None:
    """`file:function` for a frame of this project."""
    file = Path(frame.f_code.co_filename)
    if not file.is_relative_to(ROOT) or file.is_relative_to(ROOT / "tests") or ".venv" in file.parts:
        return None
    return f"{file.relative_to(ROOT)}:{frame.f_code.co_qualname}"


def stack() -> Stack:
    """The present stack, continued beyond the borders of tasks."""
    frame: FrameType | None = sys._getframe(1)
    found = list[str]()
    while frame is not None:
        found += [name] if (name := frame_name(frame)) else []
        frame = frame.f_back
    return (*_above.get(), *reversed(found))


class Stacks:
    """The stacks seen at named places while tasks are made by `make_task`."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Stack]] = {}

    def make_task(self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **more: Any) -> Any:
        """A task factory: a task's stack begins with the frames that made it, a request's begins anew."""
        mark = _above.set(() if coro.__qualname__ == "RequestServer._handle" else stack())
        try:
            return asyncio.Task(coro, loop=loop, **more)
        finally:
            _above.reset(mark)

    def noting(self, place: str, call: Callable[..., Any], counts: Callable[..., bool]) -> Callable[..., Any]:
        """`call`, which notes the stack at each call that `counts`, with `call` itself at its end."""

        def noted(*words: Any, **more: Any) -> Any:
            if counts(*words):
                self.seen.setdefault(place, []).append((*stack(), call.__qualname__))
            return call(*words, **more)

        return noted

    def deepest(self, place: str) -> Stack:
        """The deepest stack seen at a place in the course of a request."""
        return max((one for one in self.seen[place] if one[0].endswith("RequestServer._handle")), key=len)


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> Stacks:
    """The stacks at the publishing of shard requests, and at the making of hits."""
    stacks, publish = Stacks(), SupervisedConnection.publish
    is_shard_request = lambda _connection, subject, *_: subject.endswith(".search")  # noqa: E731 (an argument)
    monkeypatch.setattr(SupervisedConnection, "publish", stacks.noting("publish", publish, is_shard_request))
    monkeypatch.setattr(merge, "Hit", stacks.noting("merge", merge.Hit, lambda *_: True))
    return stacks


async def search(fleet: Fleet, stacks: Stacks, **options: Any) -> Searched:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(stacks.make_task)
    try:
        found = await fleet.client.search("tent", timeout_s=LONG_S, **options)
    finally:
        loop.set_task_factory(None)
    assert found.hits
    return found


def check(stacks: Stacks) -> None:
    for place in ("publish", "merge"):
        deepest = stacks.deepest(place)
        entry = next(at for at, name in enumerate(deepest) if name.startswith("master/fleetfold_master/search/"))
        assert len(deepest) <= MOST, "\n".join(deepest)
        assert len(deepest) - entry <= MOST_OF_THE_SEARCH, "\n".join(deepest)


async def replicas(fleet: Fleet, *, own: bool = True) -> None:
    """Two nodes with one replicated collection, and one of their own."""
    for name in ("shop", "blog"):
        child = fleet.declare(name)
        child.collection("docs", lambda: [{"id": "1", "text": "a light tent", "price": 3}], replica="docs")
        if own:
            child.collection(name, lambda: [{"id": f"{n}", "text": "a heavy tent", "price": n} for n in range(30)])
        await fleet.start(child)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nodes": "auto"},
        {"sort": [Sort("price")]},
        {"options": SearchOptions(cache="off")},
        {"options": SearchOptions(dedup="near")},
        {"options": SearchOptions(explain=True)},
    ],
    ids=str,
)
async def test_a_search_of_replicated_collections_is_at_most_18_frames_deep(
    fleet: Fleet, stacks: Stacks, options: dict[str, Any]
) -> None:
    await replicas(fleet)
    await search(fleet, stacks, **options)
    check(stacks)


async def test_a_stand_in_is_asked_within_18_frames(fleet: Fleet, stacks: Stacks) -> None:
    await replicas(fleet, own=False)
    holder = (await search(fleet, stacks, options=SearchOptions(cache="off"))).hits[0].node
    hang(fleet.children[holder], "docs")
    stacks.seen.clear()
    assert (await search(fleet, stacks, options=SearchOptions(cache="off"))).hits[0].node != holder
    check(stacks)


async def test_a_deduplicated_page_asks_again_within_18_frames(fleet: Fleet, stacks: Stacks) -> None:
    await replicas(fleet)
    await search(fleet, stacks, options=SearchOptions(dedup="exact"), limit=3)
    assert any("DeduplicatedPage.fill" in name for one in stacks.seen["publish"] for name in one)
    check(stacks)


async def test_nodes_of_another_embedder_are_asked_within_18_frames(
    fleet: Fleet, stacks: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await replicas(fleet)
    monkeypatch.setattr("fleetfold_master.search.plan.target_nodes._is_foreign", lambda *_: True)
    await search(fleet, stacks)
    assert any("Scatter._rescored" in name for one in stacks.seen["publish"] for name in one)
    check(stacks)
