"""Failures of a command: its exit code, and its one line of error."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

from fleetfold.early_exit import INTERRUPTED
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.json_output import line
from fleetfold_shared.errors import ErrorBody, FleetfoldError

__all__ = [
    "FAILED", "INTERRUPTED", "OK", "PARTLY", "PIPE_CLOSED", "USAGE", "refuse", "refuse_input_output", "refuse_usage",
]  # fmt: skip

OK, FAILED, USAGE, PARTLY = 0, 1, 2, 3
PIPE_CLOSED = 141
"""128 + SIGPIPE, as shells have it."""


def refuse(terminal: Terminal, error: FleetfoldError, *, as_json: bool) -> int:
    """Print the error. Returns its exit code."""
    return _say(terminal, error.body(), error.exit_code, as_json=as_json)


def refuse_input_output(terminal: Terminal, error: OSError, *, as_json: bool) -> int:
    """Print an error of a file or folder, with its name."""
    named = f"{error.filename}: " if error.filename else ""
    return _say(terminal, ErrorBody("io", f"{named}{error.strerror or repr(error)}"), FAILED, as_json=as_json)


def refuse_usage(terminal: Terminal, error: CycloptsError, tokens: Sequence[str], *, as_json: bool) -> int:
    """Print an error of the command line: where, and which help to read."""
    helped = " ".join(["fleetfold", *(error.command_chain or ()), "--help"])
    problem = _problem(error, tokens)
    body = ErrorBody("usage", f"{problem}{' Try' if problem.endswith('?') else '; try'} `{helped}`")
    return _say(terminal, body, USAGE, as_json=as_json)


def _problem(error: CycloptsError, tokens: Sequence[str]) -> str:
    if isinstance(error, UnknownCommandError) and tokens[0].startswith("-"):
        return f"{tokens[0]}: options stand behind the command they are for"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"{error.unused_tokens[0]!r} is one word too many; put quotes around words that belong together"
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.argument.name
        return f"{name} needs a value" if name in tokens else f"{name} is missing"
    text = " ".join(str(error).split()).partition(" Available commands:")[0].rstrip(".")
    return text[:1].lower() + text[1:]


def _say(terminal: Terminal, body: ErrorBody, code: int, *, as_json: bool) -> int:
    if as_json:
        print(line({"error": _document(body)}), file=terminal.out, flush=True)
    terminal.say(f"fleetfold: {' '.join(body.message.split())}", aside=True)
    return code


def _document(body: ErrorBody) -> dict[str, object]:
    """The JSON document; `retry_after_s` is included only if a retry can succeed."""
    said: dict[str, object] = {"code": body.code, "message": body.message, "field": body.field}
    return said if body.retry_after_s is None else {**said, "retry_after_s": body.retry_after_s}
