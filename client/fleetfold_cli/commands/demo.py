"""`fleetfold demo`."""

from __future__ import annotations

from typing import Annotated

from fleetfold.extras import require
from fleetfold_cli.command_context import Injected
from fleetfold_cli.parsing.common_options import Flag
from fleetfold_shared.errors import Unavailable

__all__ = ["demo"]


def demo(
    *,
    exit: Annotated[bool, Flag(help="End after the tour.")] = False,  # noqa: A002 (the option of that name)
    terminal: Injected,
) -> int:
    """Run a broker, a master, three children, and a guided tour.

    All are processes of their own. On a terminal the fleet stays up afterwards, for you to try.
    """
    try:
        require("child")
        require("master", besides=("cryptography",))  # it speaks no TLS
    except ModuleNotFoundError:
        raise Unavailable("fleetfold demo needs the extra `all`: pip install 'fleetfold[all]'") from None
    from fleetfold_demo.tour import run

    return run(stay=not exit and terminal.out.isatty())
