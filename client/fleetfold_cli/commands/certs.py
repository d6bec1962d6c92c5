"""`fleetfold certs`: a CA of one's own, and certificates for TLS."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fleetfold.state_directory import state_directory
from fleetfold_cli.command_context import Injected
from fleetfold_cli.parsing.common_options import OUTPUT, Days, Flag, Many, OutputOptions, StatePath

if TYPE_CHECKING:  # making certificates takes packages that no other command needs
    from rich.console import RenderableType

    from fleetfold_broker.server.certificates import Issued, Made

__all__ = ["certs"]


def certs(
    *,
    directory: Annotated[Path | None, StatePath("Where the files are.", "tls")] = None,
    host: Annotated[tuple[str, ...], Many(help="A name or an address of the broker, beside this machine's own.")] = (),
    days: Annotated[int, Days(help="How long the certificates are valid.")] = 825,
    client: Annotated[tuple[str, ...], Many(help="Also a client certificate of this name.")] = (),
    force: Annotated[bool, Flag(help="Replace certificates that are there. The CA stays.")] = False,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> None:
    """Create certificates for TLS: a CA, one for the broker, and one for each client named.

    A CA that is there is used again. With `--client` alone a broker's certificate that is there is left as it is.
    """
    from fleetfold_broker.server.certificates import make

    place = (directory or state_directory() / "tls").absolute()
    made = make(place, host, days=days, clients=client, force=force)
    terminal.show(output, made, lambda: _view(place, made))


def _view(place: Path, made: Made) -> RenderableType:
    from rich.console import Group

    from fleetfold_cli.views.text import cell, grid

    rows = grid()
    rows.add_row("ca.pem", "the CA, new: give it to all who connect" if made.new_ca else "the CA that was there")
    if made.new_ca:
        rows.add_row("ca.key", "its key: who has it can make certificates")
    for issued in [*([made.server] if made.server else []), *made.clients]:
        rows.add_row(cell(Path(issued.cert).name), cell(f"for {_terms(issued)}"))
        rows.add_row(cell(Path(issued.key).name), "its key")
    return Group(cell(f"in {place}:"), rows)


def _terms(issued: Issued) -> str:
    return f"{', '.join(issued.names)}; until {time.strftime('%Y-%m-%d', time.gmtime(issued.until))}"
