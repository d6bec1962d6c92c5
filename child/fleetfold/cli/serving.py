"""What stays up: a broker, a master, a child, each as a context that starts it, and stops it however it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetfold.cli.options import Daemon, Output
from fleetfold.cli.terminal import Terminal
from fleetfold.logging import configure
from fleetfold.state import RunningFleet, announce, state_directory, withdraw
from fleetfold_shared.config import BrokerConfig, ChildConfig, Config, load
from fleetfold_shared.errors import Unavailable

if TYPE_CHECKING:  # LanceDB and SQLAlchemy are behind these
    from fleetfold.child import Child
    from fleetfold_broker.embedded import EmbeddedBroker

__all__ = ["running_broker", "running_child", "running_master", "settings", "until_signalled"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 (where to find a broker that listens everywhere)


def settings(daemon: Daemon, output: Output, terminal: Terminal) -> Config:
    """The settings of the file and the environment under the options given; the log is set up by them."""
    config = load(daemon.config, os.environ)
    log = replace(config.log, level=daemon.log_level or config.log.level, format=daemon.log_format or config.log.format)
    configure(log.level, log.format, terminal.err)
    return replace(config, log=log, prefix=output.prefix or config.prefix)


@contextmanager
def until_signalled() -> Iterator[None]:
    """Cancel what is inside at the first SIGINT or SIGTERM, and go on behind it. A second one ends the process."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told = False

    def forget() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def stop() -> None:
        nonlocal told
        told = True
        forget()
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        task.uncancel()
    finally:
        forget()


@asynccontextmanager
async def running_broker(config: BrokerConfig, store: Path, command: str) -> AsyncIterator[EmbeddedBroker]:
    """An embedded broker that later commands find through the state directory; `command` is what runs it."""
    from fleetfold_broker.embedded import EmbeddedBroker

    broker = EmbeddedBroker(store, host=config.host, port=config.port)
    try:
        await broker.start()
        announce(RunningFleet(_reachable(broker), os.getpid(), command, time.time()))
        yield broker
    finally:
        withdraw(os.getpid())
        await broker.stop()


@asynccontextmanager
async def running_master(config: Config, url: str, data: Path) -> AsyncIterator[None]:
    """A master on the broker at `url`, its database in `data`."""
    with _extra("master"):
        from fleetfold_master.master import Master

        master = Master(url, data=data, prefix=config.prefix, heartbeat_s=config.master.heartbeat_s)
        await master.start()
    try:
        yield
    finally:
        await master.stop()


@asynccontextmanager
async def running_child(config: ChildConfig, url: str, prefix: str, data: Path | None = None) -> AsyncIterator[Child]:
    """A child on the broker at `url`, its index in `config.data`, else below `data`, else in the state directory."""
    with _extra("child"):
        from fleetfold import Child

        folder = config.data or (data or state_directory()) / "children" / config.name
        child = Child(
            config.name, url=url, data=folder, type=config.type, labels=config.labels, weight=config.weight,
            concurrency=config.concurrency, prefix=prefix,
        )  # fmt: skip
        for name, source in config.collections.items():
            child.collection(name, source or None)
        if config.actions:
            sys.path.insert(0, str(Path.cwd()))  # an installed command, unlike `python`, does not look there
        for target in config.actions:
            child.load(target)
        await child.start()
    try:
        yield child
    finally:
        await child.stop()


def _reachable(broker: EmbeddedBroker) -> str:
    return f"nats://{ANYWHERE.get(broker.host, broker.host)}:{broker.port}"


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Say which extra brings the package that is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name} is not installed: `pip install 'fleetfold[{name}]'`") from None
