"""Options shared by many commands, and their types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fleetfold_shared.config import LogFormat, LogLevel

__all__ = [
    "ACCESS",
    "BROKER_ACCESS",
    "COMMON",
    "CONNECTION",
    "DAEMON",
    "OUTPUT",
    "AccessOptions",
    "BrokerAccessOptions",
    "CommonOptions",
    "ConnectOptions",
    "DaemonOptions",
    "Days",
    "Duration",
    "Flag",
    "Many",
    "New",
    "Option",
    "OutputOptions",
    "Restored",
    "Seconds",
    "StatePath",
]  # fmt: skip

Option: Callable[..., Parameter] = partial(Parameter, show_default=False)
"""An option that is absent unless given."""
Flag: Callable[..., Parameter] = partial(Parameter, negative=(), show_default=False)
"""A switch without a `--no-` twin."""
Many: Callable[..., Parameter] = partial(Parameter, negative=(), show_default=False)
"""An option that may be given several times."""


def _in(unit: str) -> Callable[[float | None], str | None]:
    return lambda value: None if value is None else f"{value:g} {unit}"


Seconds: Callable[..., Parameter] = partial(Parameter, metavar="SECONDS", show_default=_in("s"))
"""A number of seconds."""
Days: Callable[..., Parameter] = partial(Parameter, metavar="DAYS", show_default=_in("days"))
"""A number of days."""


New = Annotated[bool, Flag(help="Begin anew what is lost or damaged: its database, and collections without a source.")]
"""Without it, a lost database is refused."""
Restored = Annotated[
    bool, Flag(help="Its database is an old copy that was put back: ask the nodes first what has happened since.")
]
"""Without it, a master finds that out by what the nodes tell."""


def StatePath(help: str, folder: str) -> Parameter:  # noqa: A002, N802 (as `Parameter` has it)
    """A folder, which is `folder` in the state directory when nothing else is said."""
    return Parameter(help=help, show_default=f"{folder} in the state directory")


def Duration(help: str) -> Parameter:  # noqa: A002, N802 (as `Parameter` has it)
    """A time with its unit, as `duration_s` reads it."""
    return Parameter(metavar="DURATION", show_default=lambda value: value, help=f"{help}, such as 90s, 15m, 1h or 7d.")


@Parameter(name="*", group="Common options")
@dataclass(frozen=True, slots=True)
class OutputOptions:
    """The options of all commands."""

    json: Annotated[bool, Flag(help="Print one JSON document on stdout, and nothing else.")] = False
    prefix: Annotated[str | None, Parameter(env_var="FLEETFOLD_PREFIX", show=False)] = None


@Parameter(name="*", group="Common options")
@dataclass(frozen=True, slots=True)
class ConnectOptions(OutputOptions):
    """The options of commands that connect to a broker."""

    url: Annotated[
        str | None,
        Option(
            help="The broker's URL, or those of a cluster, separated by commas; else `$FLEETFOLD_URL`, else the fleet"
            " that runs on this machine."
        ),
    ] = None
    ca: Annotated[
        Path | None, Option(help="The CA that signed its certificate, a PEM file; else `$FLEETFOLD_TLS_CA`.")
    ] = None


@Parameter(name="*", group="Common options")
@dataclass(frozen=True, slots=True)
class CommonOptions(ConnectOptions):
    """The options of commands that ask the fleet."""

    key_file: Annotated[
        Path | None,
        Option(help="The file of the API key; else `$FLEETFOLD_API_KEY_FILE`, else this machine's own key."),
    ] = None


@Parameter(name="*", group="Daemon options")
@dataclass(frozen=True, slots=True)
class DaemonOptions:
    """The options of daemons."""

    config: Annotated[
        Path | None, Option(env_var="FLEETFOLD_CONFIG", show_env_var=True, help="A TOML file of settings.")
    ] = None
    log_level: Annotated[
        LogLevel | None, Option(help="The lowest level that is logged on stderr.", show_default="info")
    ] = None
    log_format: Annotated[
        LogFormat | None, Option(help="auto: console on a terminal, else JSON.", show_default="auto")
    ] = None


@Parameter(name="*", group="Security options")
@dataclass(frozen=True, slots=True)
class AccessOptions:
    """Who may connect to a fleet that is run here."""

    keys: Annotated[Path | None, StatePath("Where the fleet's secrets are.", "keys")] = None
    insecure: Annotated[
        bool, Flag(help="No identities: everyone who connects may do everything. Only for development.")
    ] = False


@Parameter(name="*", group="Security options")
@dataclass(frozen=True, slots=True)
class BrokerAccessOptions(AccessOptions):
    """Who may connect to an embedded broker, and how."""

    tls: Annotated[
        bool, Flag(help="Speak TLS; with the config's certificate, or one made in `tls` in the state directory.")
    ] = False


OUTPUT = OutputOptions()
CONNECTION = ConnectOptions()
ACCESS = AccessOptions()
BROKER_ACCESS = BrokerAccessOptions()
COMMON = CommonOptions()
DAEMON = DaemonOptions()
