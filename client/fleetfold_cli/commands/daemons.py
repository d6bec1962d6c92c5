"""`fleetfold up`, `broker` and `master`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
from cyclopts import Parameter
from msgspec.structs import asdict, replace

from fleetfold.credentials import keys_directory
from fleetfold.signal_handling import until_signalled
from fleetfold.state_directory import find_url, state_directory
from fleetfold_cli.command_context import Injected
from fleetfold_cli.daemons.running_daemons import (
    guarded,
    private,
    reachable,
    running_broker,
    running_child,
    running_master,
    settings,
    warn_of_the_open,
)
from fleetfold_cli.parsing.assignments import collections
from fleetfold_cli.parsing.common_options import (
    ACCESS,
    BROKER_ACCESS,
    CONNECTION,
    DAEMON,
    OUTPUT,
    AccessOptions,
    BrokerAccessOptions,
    ConnectOptions,
    DaemonOptions,
    Many,
    New,
    Option,
    OutputOptions,
    Restored,
    StatePath,
)
from fleetfold_shared.config import BrokerConfig, Config, MasterConfig
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.urls import redacted_url

if TYPE_CHECKING:
    from fleetfold.child import Child

__all__ = ["broker", "master", "up"]

log = structlog.get_logger(__name__)

Port = Annotated[int | None, Option(help="The broker's port; 0 takes a free one.", show_default="4222")]
Database = Annotated[
    str | None,
    Option(
        help="The URL of its database, which several masters may share.", show_default="master.db in its data directory"
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class MasterData:
    """What a master holds, and whether it may have lost it, or has an old copy of it."""

    collection: Annotated[
        tuple[str, ...], Many(help="`notes=notes.jsonl`: a collection of the master's own, searched beside the nodes'.")
    ] = ()
    new: New = False
    restored: Restored = False


MASTER_DATA = MasterData()
Host = Annotated[str | None, Option(help="The address the broker listens on.", show_default="127.0.0.1")]


async def up(
    *,
    host: Host = None,
    port: Port = None,
    data: Annotated[
        Path | None, Option(help="Where all of it keeps its data.", show_default="the state directory")
    ] = None,
    own: MasterData = MASTER_DATA,
    access: BrokerAccessOptions = BROKER_ACCESS,
    daemon: DaemonOptions = DAEMON,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> int:
    """Run broker and master in one process, with the children of a config file.

    Stays up until SIGINT or SIGTERM. Commands on this machine find it by themselves.
    """
    from fleetfold_cli.daemons.scheduled_backups import scheduled_backups

    config = _with_own(guarded(settings(daemon, output, terminal), access, terminal), own.collection)
    place = data or state_directory()
    store = _chosen(data and data / "broker", config.broker.store, "broker")
    home = _chosen(data and data / "master", config.master.data, "master")
    keys = _chosen(access.keys or (data and data / "keys"), config.access.keys, "keys")
    listening = _listening(config.broker, host, port)
    warn_of_the_open(config, listening.host, terminal)
    private(place, store, home, keys, *(Path(child.data) for child in config.children if child.data))
    with until_signalled() as stop:
        async with AsyncExitStack() as opened:
            server = await opened.enter_async_context(running_broker(config, listening, store, keys, "up"))
            url = reachable(server)
            running = await opened.enter_async_context(
                running_master(config, url, home, keys, new=own.new, restored=own.restored)
            )
            start = partial(running_child, url=url, settings=config, data=place, new=own.new)
            children, lost = await _started({child.name: start(child) for child in config.children}, opened)
            backups = scheduled_backups(config, home, lambda places: places.with_master(home, keys), data=data)
            await opened.enter_async_context(backups)
            documents = {child.name: child.documents for child in children}
            ready = {
                "ready": "up", "url": server.url, "data": str(place), "pid": os.getpid(), "children": documents,
                "lost": lost, "insecure": config.access.insecure, "documents": running.documents,
            }  # fmt: skip
            terminal.ready(output, ready, _welcome(server.url, place, children, config))
            await _watch(children)
    return stop.exit_code


async def broker(
    *,
    host: Host = None,
    port: Port = None,
    store: Annotated[Path | None, StatePath("Where it keeps its streams.", "broker")] = None,
    access: BrokerAccessOptions = BROKER_ACCESS,
    daemon: DaemonOptions = DAEMON,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> int:
    """Run an embedded broker alone.

    A nats-server, restarted when it dies, until SIGINT or SIGTERM. Commands on this machine find it by themselves.
    """
    config = guarded(settings(daemon, output, terminal), access, terminal)
    place = _chosen(store, config.broker.store, "broker")
    keys = _chosen(access.keys, config.access.keys, "keys")
    listening = _listening(config.broker, host, port)
    warn_of_the_open(config, listening.host, terminal)
    private(place, keys)
    with until_signalled() as stop:
        async with running_broker(config, listening, place, keys, "broker") as server:
            ready = {
                "ready": "broker", "url": server.url, "store": str(place), "pid": os.getpid(),
                "insecure": config.access.insecure,
            }  # fmt: skip
            text = f"fleetfold broker is up{_openly(config)}: on {server.url}, its store in {place}"
            terminal.ready(output, ready, text)
            await asyncio.Event().wait()
    return stop.exit_code


async def master(
    *,
    data: Annotated[Path | None, StatePath("Where it keeps its database.", "master")] = None,
    database: Database = None,
    own: MasterData = MASTER_DATA,
    access: AccessOptions = ACCESS,
    daemon: DaemonOptions = DAEMON,
    connection: ConnectOptions = CONNECTION,
    terminal: Injected,
) -> int:
    """Run a master alone.

    Waits for its broker, and stays up until SIGINT or SIGTERM. Work that a master had begun when it died
    continues when it is back.
    """
    from fleetfold_cli.daemons.scheduled_backups import scheduled_backups

    config = _with_own(guarded(settings(daemon, connection, terminal), access, terminal), own.collection)
    config = _with_database(config, database)
    place = _chosen(data, config.master.data, "master")
    config = replace(config, master=replace(config.master, database=database or config.master.database))
    url = find_url(connection.url or config.url)
    keys = Path(config.access.keys) if config.access.keys else keys_directory(url)
    private(place, keys)
    with until_signalled() as stop:
        async with (
            running_master(config, url, place, keys, new=own.new, restored=own.restored) as running,
            scheduled_backups(config, place, lambda places: places.with_master(place, keys), master=True),
        ):
            ready = {
                "ready": "master", "url": redacted_url(url), "data": str(place), "pid": os.getpid(),
                "insecure": config.access.insecure, "documents": running.documents,
            }  # fmt: skip
            where = f"at {redacted_url(config.master.database)}" if config.master.database else f"in {place}"
            text = f"fleetfold master is up{_openly(config)}: its database {where}; on {redacted_url(url)}"
            text += "".join(f"; {count:,} documents of its own in {name}" for name, count in running.documents.items())
            terminal.ready(connection, ready, text)
            await asyncio.Event().wait()
    return stop.exit_code


def _with_own(config: Config, words: Sequence[str]) -> Config:
    """The collections given over those of the settings."""
    if not words:
        return config
    changed = asdict(config.master) | {"collections": collections(words)}
    return replace(config, master=convert_to(changed, MasterConfig, "master"))


def _with_database(config: Config, url: str | None) -> Config:
    return replace(config, master=replace(config.master, database=url)) if url else config


def _openly(config: Config) -> str:
    return " (INSECURE)" if config.access.insecure else ""


def _chosen(option: Path | None, setting: str | None, name: str) -> Path:
    return option or (Path(setting) if setting else state_directory() / name)


def _listening(config: BrokerConfig, host: str | None, port: int | None) -> BrokerConfig:
    """The options over the settings, checked as they are."""
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    return convert_to(asdict(config) | given, BrokerConfig, "")


def _welcome(url: str, place: Path, children: Sequence[Child], config: Config) -> str:
    with_children = f" with {', '.join(child.name for child in children)}" if children else ""
    step = (
        'fleetfold search "what you look for"' if children
        else "fleetfold child --name shop --collection products=docs.jsonl"
    )  # fmt: skip
    return (
        f"fleetfold is up{_openly(config)}{with_children}: on {url}, data in {place}\nnext, in another terminal: {step}"
    )


async def _started(
    starts: Mapping[str, AbstractAsyncContextManager[Child]], opened: AsyncExitStack
) -> tuple[list[Child], dict[str, str]]:
    """Start the children. One that has lost its database keeps nobody else from starting: return why, by name."""
    from fleetfold_child.ledger.lost_database import LostDatabase

    children: list[Child] = []
    lost: dict[str, str] = {}
    for name, start in starts.items():
        try:
            children.append(await opened.enter_async_context(start))
        except LostDatabase as error:
            lost[name] = error.message
            log.error("child.not_started", node=name, reason=error.message)  # noqa: TRY400  # one line
    return children, lost


async def _watch(children: Sequence[Child]) -> None:
    """Stay up; a child that the fleet has told to stop does not take the others with it."""

    async def tell(child: Child) -> None:
        log.error("child.stopped", node=child.name, reason=await child.wait())

    await asyncio.gather(asyncio.Event().wait(), *(tell(child) for child in children))
