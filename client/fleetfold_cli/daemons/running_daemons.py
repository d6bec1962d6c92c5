"""Daemons as context managers: a broker, a master, a child, each started on entry and stopped on exit."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetfold.child_options import ChildOptions
from fleetfold.extras import require
from fleetfold.file_exposure import tell_exposed
from fleetfold.logging import configure
from fleetfold.signal_handling import SIGNALLED
from fleetfold.state_directory import RunningFleet, announce, state_directory, withdraw
from fleetfold.tls import find_tls
from fleetfold_broker.connection.info_probe import wait_for_greeting
from fleetfold_broker.secret_file import from_environment, keep_private
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.daemons.keys_and_tls import INSECURE, in_the_open, keep_local_key, protection
from fleetfold_cli.parsing.common_options import (
    AccessOptions,
    BrokerAccessOptions,
    ConnectOptions,
    DaemonOptions,
    OutputOptions,
)
from fleetfold_shared.config import BrokerConfig, ChildConfig, Config, MasterConfig, load
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.redaction import Redactor

if TYPE_CHECKING:  # LanceDB and SQLAlchemy are behind these
    from fleetfold.child import Child
    from fleetfold.master_collections import MasterDocuments
    from fleetfold_broker.server.embedded import EmbeddedBroker
    from fleetfold_master.master import Master

__all__ = [
    "guarded", "private", "reachable", "running_broker", "running_child", "running_master", "settings",
    "warn_of_the_open",
]  # fmt: skip

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 (where to find a broker that listens everywhere)


def settings(daemon: DaemonOptions, output: OutputOptions, terminal: Terminal) -> Config:
    """The settings of file and environment, overridden by the options; configures logging."""
    config = load(daemon.config, os.environ)
    database = from_environment("FLEETFOLD_MASTER_DATABASE", os.environ) or config.master.database
    log = replace(config.log, level=daemon.log_level or config.log.level, format=daemon.log_format or config.log.format)
    configure(log.level, log.format, terminal.err, Redactor(config.master.redact, "master.redact"))
    ca = str(output.ca) if isinstance(output, ConnectOptions) and output.ca else config.tls.ca
    return replace(
        config, log=log, prefix=output.prefix or config.prefix, tls=replace(config.tls, ca=ca),
        master=replace(config.master, database=database),
    )  # fmt: skip


def guarded(config: Config, access: AccessOptions, terminal: Terminal) -> Config:
    """The settings, overridden by the options of `access`. Prints a warning on stderr if the fleet is insecure."""
    chosen = replace(
        config.access,
        keys=str(access.keys) if access.keys else config.access.keys,
        insecure=access.insecure or config.access.insecure,
    )
    if chosen.insecure:
        print(f"fleetfold: {INSECURE}", file=terminal.err, flush=True)
    enabled = config.tls.enabled or (isinstance(access, BrokerAccessOptions) and access.tls)
    return replace(config, access=chosen, tls=replace(config.tls, enabled=enabled))


def warn_of_the_open(config: Config, host: str, terminal: Terminal) -> None:
    """Print a warning on stderr if the broker can be eavesdropped on."""
    if what := in_the_open(host, tls=config.tls.enabled):
        print(f"fleetfold: {what}", file=terminal.err, flush=True)


def private(*places: Path) -> None:
    """Restrict new files of this process and its broker to their owner; report which of `places` are exposed."""
    keep_private()
    tell_exposed((state_directory(), *places))


@asynccontextmanager
async def running_broker(
    config: Config, listening: BrokerConfig, store: Path, keys: Path, command: str
) -> AsyncIterator[EmbeddedBroker]:
    """An embedded broker that later commands find through the state directory; `command` is what runs it.

    Its masters' keys are those in `keys`.
    """
    from fleetfold_broker.server.embedded import EmbeddedBroker

    guard = protection(config, keys, listening.host)
    broker = EmbeddedBroker(
        store, host=listening.host, port=listening.port, identity=guard.identity, prefix=config.prefix, tls=guard.tls,
        sync=config.broker.sync,
    )  # fmt: skip
    try:
        await broker.start()
        announce(_announced(broker, config, keys, guard.ca, command))
        yield broker
    finally:
        withdraw(os.getpid())
        await broker.stop()


@asynccontextmanager
async def running_master(
    config: Config, url: str, data: Path, keys: Path, *, new: bool = False, restored: bool = False
) -> AsyncIterator[Master]:
    """A master on the broker at `url`, its database in `data`, the fleet's secrets in `keys`.

    There it keeps the key for commands on this machine. Its own collections are in `data` as well. The broker is waited
    for. A `new` one may begin without the database that it has lost; that of a `restored` one is an old copy.
    """
    require("master", besides=("cryptography",))  # that is for certificates alone
    async with AsyncExitStack() as opened:
        own = await _own_collections(config.master, data, opened)
        from fleetfold_master.master import Master

        await wait_for_greeting(url, "master.awaiting_broker")
        master = Master(
            url, data=data, prefix=config.prefix, heartbeat_s=config.master.heartbeat_s, access=config.access,
            keys=keys, tls=find_tls(url, config.tls), search=config.search, ask=config.ask, own=own,
            database=config.master.database, callbacks=config.callbacks, retention=config.retention,
            redact=config.master.redact, limits=config.limits, new=new, restored=restored,
            check_every_s=config.master.check_every_s,
            keep_key=None if config.access.insecure else partial(keep_local_key, keys, url),
        )  # fmt: skip
        await master.start()
        opened.push_async_callback(master.stop)
        yield master


async def _own_collections(config: MasterConfig, data: Path, opened: AsyncExitStack) -> MasterDocuments | None:
    """The master's own collections, open as long as `opened`. They have the same options as a child's."""
    if not config.collections:
        return None
    for name in config.reading.keys() - config.collections.keys():
        raise InvalidInput(f"reading: the master has no collection {name!r}; declare it first", field="reading")
    from fleetfold.master_collections import MasterDocuments

    return await opened.enter_async_context(MasterDocuments(data / "own", config.collections, config.reading))


@asynccontextmanager
async def running_child(
    config: ChildConfig,
    url: str,
    settings: Config,
    *,
    data: Path | None = None,
    join: str | None = None,
    new: bool = False,
) -> AsyncIterator[Child]:
    """A child on the broker at `url`, its index in `config.data`, else below `data`, else in the state directory.

    `join` is the join token of a new one; a `new` one may begin without the files that it has lost.
    """
    from fleetfold import Child

    folder = config.data or (data or state_directory()) / "children" / config.name
    child = Child(
        config.name, url=url, data=folder, type=config.type, labels=config.labels, join=join,
        databases=config.databases, options=_options(config, settings, new),
    )  # fmt: skip
    _refuse_undeclared(config, "keys", config.keys)
    _refuse_undeclared(config, "alphas", config.alphas)
    _refuse_undeclared(config, "replicas", config.replicas)
    _refuse_undeclared(config, "reading", config.reading)
    for name, source in config.collections.items():
        child.collection(
            name, source or None, keys=config.keys.get(name, ()), alpha=config.alphas.get(name),
            replica=config.replicas.get(name), reading=config.reading.get(name),
        )  # fmt: skip
    if config.actions:
        sys.path.insert(0, str(Path.cwd()))  # an installed command, unlike `python`, does not look there
    for target in config.actions:
        child.load(target)
    await child.start()
    orderly = True
    try:
        yield child
    except asyncio.CancelledError as cancelled:
        orderly = SIGNALLED in cancelled.args  # else something that ran here has stopped the event loop
        raise
    finally:
        await child.stop(orderly=orderly)


def _options(config: ChildConfig, settings: Config, new: bool) -> ChildOptions:
    tls = settings.tls
    return ChildOptions(
        weight=config.weight, concurrency=config.concurrency, prefix=settings.prefix, ca=tls.ca, cert=tls.cert,
        key=tls.key, ledger_days=config.ledger_days, redact=config.redact, new=new,
        check_every_s=config.check_every_s,
    )  # fmt: skip


def _refuse_undeclared(config: ChildConfig, field: str, names: Iterable[str]) -> None:
    unknown = next((name for name in names if name not in config.collections), None)
    if unknown is not None:
        raise InvalidInput(f"{field}: {config.name} has no collection {unknown!r}; declare it first", field=field)


def _announced(broker: EmbeddedBroker, config: Config, keys: Path, ca: str | None, command: str) -> RunningFleet:
    insecure = config.access.insecure
    return RunningFleet(
        reachable(broker), os.getpid(), command, time.time(), keys=None if insecure else str(keys.resolve()),
        ca=ca and str(Path(ca).resolve()), insecure=insecure, host=broker.host,
    )  # fmt: skip


def reachable(broker: EmbeddedBroker) -> str:
    """The URL by which this machine reaches the broker, whatever address it listens on."""
    return broker.url.replace(f"//{broker.host}:", f"//{ANYWHERE.get(broker.host, broker.host)}:")
