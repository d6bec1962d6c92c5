"""The command tree, and the one exit path: an exit code, and on failure one line that says what to do."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from cyclopts import App, CycloptsError, Group

from fleetfold.extras import missing_extra
from fleetfold.logging import configure
from fleetfold.signal_handling import Interrupted, run_loop
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.commands.ask import ask
from fleetfold_cli.commands.audit import audit, node_audit, whoami
from fleetfold_cli.commands.backup import backup
from fleetfold_cli.commands.cache import cache
from fleetfold_cli.commands.certs import certs
from fleetfold_cli.commands.child import child
from fleetfold_cli.commands.completion import install_completion
from fleetfold_cli.commands.config import config
from fleetfold_cli.commands.daemons import broker, master, up
from fleetfold_cli.commands.dead_letters import dead_letters
from fleetfold_cli.commands.definitions import definitions
from fleetfold_cli.commands.demo import demo
from fleetfold_cli.commands.evaluation import judge, quality
from fleetfold_cli.commands.jobs import jobs
from fleetfold_cli.commands.keys import keys
from fleetfold_cli.commands.masters import masters
from fleetfold_cli.commands.nodes import nodes
from fleetfold_cli.commands.run import run
from fleetfold_cli.commands.schedules import schedules
from fleetfold_cli.commands.search import search
from fleetfold_cli.commands.transactions import tx
from fleetfold_cli.commands.version import version
from fleetfold_cli.error_exit import INTERRUPTED, PIPE_CLOSED, refuse, refuse_input_output, refuse_usage
from fleetfold_cli.examples import add_examples, commands
from fleetfold_shared import __version__
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.values import check_text

__all__ = ["app", "main"]

HELP = """\
Ask the fleet, fold the answers into one.

Every command takes `--json`. Exit codes: 0 ok, 1 failed, 2 usage, 3 partly; 4 to 11 by how a job or transaction ended.
"""

app = App(name="fleetfold", help=HELP, help_format="markdown", version=__version__)

GROUPS: dict[str, tuple[Callable[..., Any] | App, ...]] = {
    "Start a fleet": (demo, up, broker, master, child),
    "Use a fleet": (
        nodes,
        search,
        ask,
        judge,
        quality,
        cache,
        run,
        jobs,
        tx,
        definitions,
        schedules,
        dead_letters,
        masters,
    ),
    "Guard a fleet": (backup, keys, certs, config, audit, node_audit, whoami),
    "About": (version,),
}

for title, members in GROUPS.items():
    group = Group.create_ordered(title)
    for place, command in enumerate(members):
        if isinstance(command, App):
            command.group, command.sort_key = (group,), place
            app.command(command)
        else:
            app.command(command, group=group, sort_key=place)
app["run"].usage = "Usage: fleetfold run [OPTIONS] TARGET ACTION [key=value]..."
app.command(install_completion, name="--install-completion")
for each in commands(app).values():
    each.version = __version__  # a command of a group would print that of cyclopts
for flag in ("--help", "--version", "--install-completion"):
    app[flag].group = (group,)
add_examples(app)


def main(tokens: Sequence[str] | None = None, terminal: Terminal | None = None) -> int:
    """Run the command line `tokens` (those of this process by default); the exit code.

    Never a traceback for what a user can cause: a `FleetfoldError` is one line on stderr, and with `--json` also a
    document `{"error": {"code", "message", "field"}}` on stdout.
    """
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    terminal = replace(terminal or Terminal.standard(), words=tokens)
    as_json = "--json" in takewhile("--".__ne__, tokens)
    try:
        code = _run(tokens, terminal)
        terminal.out.flush()
    except CycloptsError as error:
        code = refuse_usage(terminal, error, tokens, as_json=as_json)
    except FleetfoldError as error:
        code = refuse(terminal, error, as_json=as_json)
    except (Interrupted, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        _let_go_of(terminal)
        code = PIPE_CLOSED
    except ModuleNotFoundError as error:
        if (missing := _missing(error, tokens[0])) is None:
            raise
        code = refuse(terminal, missing, as_json=as_json)
    except OSError as error:
        code = refuse_input_output(terminal, error, as_json=as_json)
    return code


def _run(tokens: list[str], terminal: Terminal) -> int:
    for place, token in enumerate(tokens, 1):
        check_text(token, f"argument {place}")
    call, bound, injected = app.parse_args(tokens, exit_on_error=False, print_error=False)
    given = dict.fromkeys(injected, terminal)
    if not inspect.iscoroutinefunction(call):
        return call(*bound.args, **bound.kwargs, **given) or 0
    configure("warning", stream=terminal.err)
    return run_loop(call(*bound.args, **bound.kwargs, **given)) or 0


def _missing(error: ModuleNotFoundError, command: str) -> Unavailable | None:
    return missing_extra(error, f"fleetfold {command}", "child" if command == "child" else "master")


def _let_go_of(terminal: Terminal) -> None:
    """The reader is gone: what is still buffered goes nowhere, or Python would complain at its end."""
    if terminal.out is sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
