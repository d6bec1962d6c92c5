"""`fleetfold --install-completion`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from fleetfold_cli.command_context import Injected
from fleetfold_cli.parsing.common_options import OUTPUT, Option, OutputOptions
from fleetfold_shared.errors import InvalidInput

__all__ = ["Shell", "install_completion"]

Shell = Literal["bash", "zsh", "fish"]


def install_completion(
    *,
    shell: Annotated[Shell | None, Option(help="For this shell.", show_default="the one that runs it")] = None,
    file: Annotated[
        Path | None, Option(name="--output", help="Write the script there, and change no start-up file.")
    ] = None,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> None:
    """Install completion of commands, options and their choices at the Tab key.

    The script goes where the shell looks for it; bash and zsh are told of it in `~/.bashrc` or `~/.zshrc`, once.
    """
    from fleetfold_cli.app import app

    chosen = shell or _running_shell()
    written = app.install_completion(shell=chosen, output=file, add_to_startup=file is None)
    said = f"written to {written}; a new {chosen} completes fleetfold" if file is None else f"written to {written}"
    terminal.show(output, {"shell": chosen, "file": str(written)}, lambda: said)


def _running_shell() -> Shell:
    from cyclopts.completion.detect import ShellDetectionError, detect_shell

    try:
        found = detect_shell()
    except ShellDetectionError:
        found = None
    if found is None or found == "powershell":
        raise InvalidInput("shell: cannot tell which one this is; add --shell bash, zsh or fish", field="shell")
    return found
