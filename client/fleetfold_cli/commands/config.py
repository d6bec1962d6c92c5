"""`fleetfold config`: validation of the settings."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App

from fleetfold.credentials import keys_directory
from fleetfold.state_directory import RunningFleet, find_url, running_fleet, same_place, state_directory
from fleetfold_cli.command_context import Injected, Terminal
from fleetfold_cli.daemons.configuration_audit import (
    Finding,
    endless_admins,
    in_environment,
    in_files,
    in_places,
    in_settings,
    places,
    secret_files,
)
from fleetfold_cli.daemons.keys_and_tls import in_the_open
from fleetfold_cli.error_exit import FAILED, OK
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Option
from fleetfold_cli.views import access_view as views
from fleetfold_shared.config import Config, load
from fleetfold_shared.errors import FleetfoldError, InvalidInput
from fleetfold_shared.urls import redacted_url

__all__ = ["config"]

ASKED_WITHIN_S = 3.0

config = App(name="config", help="Check the settings.")


@config.command
async def check(
    *,
    config: Annotated[
        Path | None, Option(env_var="FLEETFOLD_CONFIG", show_env_var=True, help="A TOML file of settings.")
    ] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Report what is insecure: in the settings, the environment, the files of secrets, and the running fleet.

    Exit code 1 when something is; 0 for notes alone.
    """
    settings, found = _settings(config, os.environ)
    running = running_fleet()
    keys = Path(settings.access.keys) if settings.access.keys else keys_directory(running.url if running else None)
    found += [
        *in_settings(settings),
        *in_environment(os.environ),
        *in_files(secret_files(settings, os.environ, keys, state_directory())),
        *in_places(place for place in places(settings, keys, state_directory()) if place != keys),
        *_of_backups(settings),
        *_listening(running),
        *await _in_fleet(settings, running, common, terminal),
    ]
    terminal.show(common, {"findings": found}, lambda: views.findings(found))
    return FAILED if any(finding.severity == "weak" for finding in found) else OK


def _of_backups(settings: Config) -> Iterator[Finding]:
    """How the scheduled backups of this machine went."""
    from fleetfold.backup import find_places
    from fleetfold_cli.daemons.backup_findings import in_backups

    found = find_places(settings)
    yield from in_backups(settings.backup, (found.master, *found.nodes.values()), time.time())


def _settings(file: Path | None, env: Mapping[str, str]) -> tuple[Config, list[Finding]]:
    """Load the settings; if they are invalid, the defaults and the finding."""
    try:
        return load(file, env), []
    except InvalidInput as error:
        return Config(), [Finding("weak", error.field or "config", error.message)]


def _listening(running: RunningFleet | None) -> list[Finding]:
    """The findings about options of the broker that runs on this machine."""
    what = in_the_open(running.host, tls=running.url.startswith("tls:")) if running and running.host else None
    return [Finding("weak", "the broker that runs here", what)] if what else []


async def _in_fleet(
    settings: Config, running: RunningFleet | None, common: CommonOptions, terminal: Terminal
) -> list[Finding]:
    """The findings about the running fleet, if it answers."""
    found: list[Finding] = []
    with suppress(FleetfoldError, TimeoutError):
        url = find_url(common.url or settings.url)
        async with asyncio.timeout(ASKED_WITHIN_S):
            found += await _openly(url, running)
            prefix = common.prefix or settings.prefix
            async with await terminal.fleet(replace(common, url=url, prefix=prefix)) as fleet:
                found += endless_admins(await fleet.keys.list())
    return found


async def _openly(url: str, running: RunningFleet | None) -> list[Finding]:
    from fleetfold_broker.connection.info_probe import asks_for_credentials

    known_to_be = running is not None and running.insecure and same_place(running.url, url)
    if not known_to_be and await asks_for_credentials(url):
        return []
    what = "it asks nobody who they are: whoever connects has its default account, and may do everything"
    return [Finding("weak", f"the broker at {redacted_url(url)}", what)]
