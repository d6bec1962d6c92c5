"""A child as a program: reports that it is up, runs until it is told to stop, and reports errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fleetfold.early_exit import INTERRUPTED, ExitAtOnce
from fleetfold.extras import missing_extra
from fleetfold.file_exposure import tell_exposed
from fleetfold.garbage_collection import calm_collector
from fleetfold.logging import configure, is_configured_by_program
from fleetfold.signal_handling import Interrupted, run_loop, until_signalled
from fleetfold.source_remarks import remarks
from fleetfold_broker.secret_file import keep_private
from fleetfold_shared.config import load
from fleetfold_shared.errors import Conflict, FleetfoldError, Unavailable
from fleetfold_shared.messages import CollectionInfo

if TYPE_CHECKING:
    from fleetfold.child import Child

__all__ = ["run_alone", "up_line"]

LOG = "FLEETFOLD_LOG_"


def up_line(name: str, collections: Mapping[str, CollectionInfo], url: str) -> str:
    """The line that a child prints when it is up, with remarks on its sources."""
    counts = [
        f"{info.documents:,} document{'' if info.documents == 1 else 's'} in {one}{remarks(info)}"
        for one, info in collections.items()
    ]
    return f"fleetfold child {name} is up: {', '.join(counts) or 'no collections'}; on {url}"


def run_alone(child: Child) -> None:
    """Run it until SIGINT or SIGTERM, or until another process takes the name; end the process if that is no 0.

    What goes wrong ends it with one line on stderr and the error's exit code; Ctrl-C with 130 and without a word. The
    log goes to stderr as that of `fleetfold child`, unless the program has set up its own.
    """
    with ExitAtOnce():
        code = _run(child)
    if code:
        sys.exit(code)


def _run(child: Child) -> int:
    try:
        keep_private()
        _configure_log()
        tell_exposed([child.data])
        return run_loop(_stay(child))
    except Interrupted:
        return INTERRUPTED
    except FleetfoldError as error:
        return _refuse(error)
    except ModuleNotFoundError as error:
        if (missing := missing_extra(error, child.name)) is None:
            raise
        return _refuse(missing)
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        return _refuse(Unavailable(f"{named}{error.strerror or repr(error)}"))


async def _stay(child: Child) -> int:
    with until_signalled() as stop:
        await child.start()
        orderly = False
        try:
            calm_collector()
            print(up_line(child.name, child.collections, child.url), flush=True)
            reason = await child.wait()
            orderly = True
        finally:  # without a signal, something that ran here has stopped the event loop
            await child.stop(orderly=orderly or stop.number is not None)
    if stop.number is None:
        raise Conflict(f"{child.name}: {reason}", field="name")
    return stop.exit_code


def _configure_log() -> None:
    if not is_configured_by_program():
        log = load(None, {name: value for name, value in os.environ.items() if name.startswith(LOG)}).log
        configure(log.level, log.format)


def _refuse(error: FleetfoldError) -> int:
    print("fleetfold:", " ".join(error.message.split()), file=sys.stderr, flush=True)
    return error.exit_code
