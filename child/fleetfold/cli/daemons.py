"""`fleetfold up`, `broker` and `master`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
from msgspec.structs import asdict

from fleetfold.cli.options import COMMON, DAEMON, OUTPUT, Common, Daemon, Option, Output
from fleetfold.cli.serving import (
    running_broker,
    running_child,
    running_master,
    settings,
    until_signalled,
)
from fleetfold.cli.terminal import Injected
from fleetfold.state import find_url, state_directory
from fleetfold_shared.config import BrokerConfig
from fleetfold_shared.refusals import typed
from fleetfold_shared.urls import shown

if TYPE_CHECKING:
    from fleetfold.child import Child

__all__ = ["broker", "master", "up"]

log = structlog.get_logger(__name__)

Port = Annotated[int | None, Option(help="The broker's port; 0 takes a free one, 4222 is usual.")]
Host = Annotated[str | None, Option(help="The address the broker listens on; 127.0.0.1.")]


async def up(
    *,
    host: Host = None,
    port: Port = None,
    data: Annotated[Path | None, Option(help="Where all of it keeps its data; the state directory.")] = None,
    daemon: Daemon = DAEMON,
    output: Output = OUTPUT,
    terminal: Injected,
) -> None:
    """Broker and master in one process, with the children of a config file.

    Stays up until SIGINT or SIGTERM. Commands on this machine find it by themselves.
    """
    config = settings(daemon, output, terminal)
    place = data or state_directory()
    store = _chosen(data and data / "broker", config.broker.store, "broker")
    home = _chosen(data and data / "master", config.master.data, "master")
    with until_signalled():
        async with AsyncExitStack() as opened:
            server = await opened.enter_async_context(
                running_broker(_listening(config.broker, host, port), store, "up")
            )
            await opened.enter_async_context(running_master(config, server.url, home))
            children = [
                await opened.enter_async_context(running_child(child, server.url, config.prefix, place))
                for child in config.children
            ]
            documents = {child.name: child.documents for child in children}
            ready = {"ready": "up", "url": server.url, "data": str(place), "pid": os.getpid(), "children": documents}
            terminal.ready(output, ready, _welcome(server.url, place, children))
            await _watch(children)


async def broker(
    *,
    host: Host = None,
    port: Port = None,
    store: Annotated[Path | None, Option(help="Where it keeps its streams; `broker` in the state directory.")] = None,
    daemon: Daemon = DAEMON,
    output: Output = OUTPUT,
    terminal: Injected,
) -> None:
    """An embedded broker alone.

    A nats-server, started again when it dies, until SIGINT or SIGTERM. Commands on this machine find it by themselves.
    """
    config = settings(daemon, output, terminal)
    place = _chosen(store, config.broker.store, "broker")
    with until_signalled():
        async with running_broker(_listening(config.broker, host, port), place, "broker") as server:
            ready = {"ready": "broker", "url": server.url, "store": str(place), "pid": os.getpid()}
            terminal.ready(output, ready, f"fleetfold broker is up: on {server.url}, its store in {place}")
            await asyncio.Event().wait()


async def master(
    *,
    data: Annotated[Path | None, Option(help="Where it keeps its database; `master` in the state directory.")] = None,
    daemon: Daemon = DAEMON,
    common: Common = COMMON,
    terminal: Injected,
) -> None:
    """A master alone.

    Stays up until SIGINT or SIGTERM. What a master had begun when it died goes on when it is back.
    """
    config = settings(daemon, common, terminal)
    place = _chosen(data, config.master.data, "master")
    url = find_url(common.url or config.url)
    with until_signalled():
        async with running_master(config, url, place):
            ready = {"ready": "master", "url": shown(url), "data": str(place), "pid": os.getpid()}
            terminal.ready(common, ready, f"fleetfold master is up: its database in {place}; on {shown(url)}")
            await asyncio.Event().wait()


def _chosen(option: Path | None, setting: str | None, name: str) -> Path:
    return option or (Path(setting) if setting else state_directory() / name)


def _listening(config: BrokerConfig, host: str | None, port: int | None) -> BrokerConfig:
    """The options over the settings, checked as they are."""
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    return typed(asdict(config) | given, BrokerConfig, "")


def _welcome(url: str, place: Path, children: Sequence[Child]) -> str:
    with_children = f" with {', '.join(child.name for child in children)}" if children else ""
    step = (
        'fleetfold search "what you look for"' if children
        else "fleetfold child --name shop --collection products=docs.jsonl"
    )  # fmt: skip
    return f"fleetfold is up{with_children}: on {url}, data in {place}\nnext, in another terminal: {step}"


async def _watch(children: Sequence[Child]) -> None:
    """Stay up; a child that the fleet has told to stop does not take the others with it."""

    async def tell(child: Child) -> None:
        log.error("child.stopped", node=child.name, reason=await child.wait())

    await asyncio.gather(asyncio.Event().wait(), *(tell(child) for child in children))
