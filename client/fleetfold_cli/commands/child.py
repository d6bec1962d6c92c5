"""`fleetfold child`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fleetfold.child_program import up_line
from fleetfold.signal_handling import until_signalled
from fleetfold.state_directory import find_url, state_directory
from fleetfold_cli.command_context import Injected, Terminal
from fleetfold_cli.daemons.container_health import check_node
from fleetfold_cli.daemons.running_daemons import private, running_child, settings
from fleetfold_cli.parsing.child_options import (
    APPLICATION,
    HOSTED,
    JOIN_TOKEN,
    READING,
    ApplicationOptions,
    CollectionOptions,
    JoinTokenOptions,
    ReadingOptions,
    over,
)
from fleetfold_cli.parsing.common_options import CONNECTION, DAEMON, ConnectOptions, DaemonOptions, Flag, Option
from fleetfold_shared.config import ChildConfig, Config
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.messages import CollectionInfo
from fleetfold_shared.urls import redacted_url

if TYPE_CHECKING:  # the node's parts are behind it
    from fleetfold.child import Child

__all__ = ["child"]


Name = Annotated[str | None, Option(help="The node's name: a-z, 0-9 and '-'. The config's only child without it.")]


async def child(
    *,
    name: Name = None,
    hosted: CollectionOptions = HOSTED,
    reading: ReadingOptions = READING,
    application: ApplicationOptions = APPLICATION,
    token: JoinTokenOptions = JOIN_TOKEN,
    check: Annotated[
        bool,
        Flag(help="Do not run it: ask a master whether the one that runs on this data directory is well."),
    ] = False,
    daemon: DaemonOptions = DAEMON,
    connection: ConnectOptions = CONNECTION,
    terminal: Injected,
) -> int:
    """Run a child: one application's documents and actions.

    Waits for its broker and for a master, and stays up until SIGINT or SIGTERM. Options override what the config
    file says of the same child. Modules of actions are looked for in the current folder first. With one collection
    `products=` may be left out of the options that say how it is read: `--text subject,message`.
    """
    from fleetfold_cli.daemons.scheduled_backups import scheduled_backups

    config = settings(daemon, connection, terminal)
    chosen = over(_configured(config, name), hosted.settings() | application.settings())
    chosen = over(chosen, reading.settings(chosen))
    url = find_url(connection.url or config.url)
    folder = Path(chosen.data) if chosen.data else state_directory() / "children" / chosen.name
    if check:
        return await _check(chosen.name, folder, url, config, connection, terminal)
    private(folder)
    with until_signalled() as stop:
        async with (
            running_child(chosen, url, config, join=token.read(), new=application.new) as node,
            scheduled_backups(
                config, folder, lambda places: places.with_node(chosen.name, folder), nodes=[chosen.name]
            ),
        ):
            up = up_line(node.name, node.collections, redacted_url(url))
            terminal.ready(connection, _ready(node, url), up)
            reason = await node.wait()
    if stop.number is None:
        raise Conflict(f"{node.name}: {reason}", field="name")
    return stop.exit_code


def _ready(node: Child, url: str) -> dict[str, object]:
    """What is printed as JSON when the node is up."""
    return {
        "ready": "child", "name": node.name, "url": redacted_url(url), "pid": os.getpid(), "documents": node.documents,
        "sources": {name: _source(info) for name, info in node.collections.items()},
    }  # fmt: skip


async def _check(
    name: str, data: Path, url: str, config: Config, connection: ConnectOptions, terminal: Terminal
) -> int:  # fmt: skip
    """Show the state of the node that runs; a node that is not well is an error."""
    record = await check_node(name, data, url, config)
    terminal.ready(connection, {"name": name, "state": record.state}, f"{name} is {record.state}")
    return 0


def _configured(config: Config, name: str | None) -> ChildConfig:
    """What the config says of `name`; without a name, its only child."""
    if name is None:
        if len(config.children) != 1:
            raise InvalidInput("name: a child needs one: --name shop", field="name")
        return config.children[0]
    for known in config.children:
        if known.name == name:
            return known
    return convert_to({"name": name}, ChildConfig, "")


def _source(info: CollectionInfo) -> dict[str, object]:
    """The problems of a collection's source, as a JSON object."""
    return {
        "left_out": info.left_out, "repeated": info.repeated, "without_text": info.without_text, "note": info.note,
        "damaged": info.damaged,
    }  # fmt: skip
