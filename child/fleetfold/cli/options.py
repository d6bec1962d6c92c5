"""Options that many commands share, and the kinds of option they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fleetfold_shared.config import LogFormat, LogLevel

__all__ = ["COMMON", "DAEMON", "OUTPUT", "Common", "Daemon", "Flag", "Many", "Option", "Output"]

Option: Callable[..., Parameter] = partial(Parameter, show_default=False)
"""An option that is absent unless given."""
Flag: Callable[..., Parameter] = partial(Parameter, negative=(), show_default=False)
"""A switch without a `--no-` twin."""
Many: Callable[..., Parameter] = partial(Parameter, negative=(), show_default=False)
"""An option that may be given several times."""


@Parameter(name="*", group="Common options")
@dataclass(frozen=True, slots=True)
class Output:
    """What every command takes."""

    json: Annotated[bool, Flag(help="Print one JSON document on stdout, and nothing else.")] = False
    prefix: Annotated[str | None, Parameter(env_var="FLEETFOLD_PREFIX", show=False)] = None


@Parameter(name="*", group="Common options")
@dataclass(frozen=True, slots=True)
class Common(Output):
    """What every command takes that uses a broker which somebody else runs."""

    url: Annotated[
        str | None, Option(help="The broker's URL; else `$FLEETFOLD_URL`, else the fleet that runs here.")
    ] = None


@Parameter(name="*", group="Daemon options")
@dataclass(frozen=True, slots=True)
class Daemon:
    """What every command that stays up takes."""

    config: Annotated[
        Path | None, Option(env_var="FLEETFOLD_CONFIG", show_env_var=True, help="A TOML file of settings.")
    ] = None
    log_level: Annotated[LogLevel | None, Option(help="The least serious that is said on stderr; info.")] = None
    log_format: Annotated[LogFormat | None, Option(help="auto: console on a terminal, else JSON.")] = None


OUTPUT = Output()
COMMON = Common()
DAEMON = Daemon()
