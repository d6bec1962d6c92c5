"""The command's environment: its streams, and its connection to the fleet. Passed in, so that tests can replace it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Parameter

from fleetfold.garbage_collection import calm_collector
from fleetfold_cli.json_output import document, line
from fleetfold_cli.parsing.common_options import CommonOptions, OutputOptions
from fleetfold_cli.safe_text import SafeView, flat
from fleetfold_shared.ids import check_slug

if TYPE_CHECKING:  # both take long to import, and `fleetfold --help` needs neither
    from rich.console import RenderableType

    from fleetfold.client import Client

__all__ = ["Injected", "Terminal"]


async def _connect(common: CommonOptions, prefix: str) -> Client:
    from fleetfold.client import Client

    return await Client.connect(common.url, name="cli", key=common.key_file, ca=common.ca, prefix=prefix)


@dataclass(frozen=True, slots=True)
class Terminal:
    """The output streams of a command, and its connection to the fleet."""

    out: TextIO
    err: TextIO
    stdin: TextIO
    connect: Callable[[CommonOptions, str], Awaitable[Client]] = _connect
    words: Sequence[str] = ()
    """The command line, without the program's name."""

    @classmethod
    def standard(cls) -> Terminal:
        """The terminal of this process."""
        return cls(sys.stdout, sys.stderr, sys.stdin)

    async def fleet(self, common: CommonOptions) -> Client:
        """A client of the fleet that the options name; use with `async with`."""
        return await self.connect(common, check_slug(common.prefix or "fleet", "prefix"))

    def show(self, output: OutputOptions, value: Any, view: Callable[[], RenderableType]) -> None:
        """Print `value` as one JSON document if requested, else its view."""
        if output.json:
            self.out.write(document(value))
        else:
            self._render(view())

    def say(self, text: str, *, aside: bool = False) -> None:
        """Print one sanitised line now; with `aside` on stderr."""
        print(flat(text), file=self.err if aside else self.out, flush=True)

    def advise(self, output: OutputOptions, advice: str) -> None:
        """Print a next step on stderr, for people only."""
        if not output.json and self.err.isatty():
            self.out.flush()  # what it is about comes first
            print(advice, file=self.err)

    def secret(self, output: OutputOptions, value: Any, secret: str, advice: str) -> None:
        """Print a secret: `value` as JSON if requested, else the secret alone, for `> file`.

        On a terminal `advice` follows on stderr.
        """
        if output.json:
            self.out.write(document(value))
            return
        print(secret, file=self.out, flush=True)
        if self.err.isatty():
            print(advice, file=self.err)

    def ready(self, output: OutputOptions, value: Any, text: str) -> None:
        """Print at once, on a line of its own, that a daemon is ready: `value` as JSON if requested, else `text`.

        Also tunes the garbage collector for throughput.
        """
        calm_collector()
        print(line(value) if output.json else text, file=self.out, flush=True)

    def _render(self, view: RenderableType) -> None:
        from rich.console import Console

        if self.out.isatty():
            Console(file=self.out, **PLAIN).print(SafeView(view))
            return
        drawn = StringIO()
        Console(file=drawn, width=UNBOUNDED, **PLAIN).print(SafeView(view))
        self.out.writelines(f"{row.rstrip()}\n" for row in drawn.getvalue().splitlines())


PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
UNBOUNDED = 10_000
"""Columns without a terminal, so that names are not truncated for scripts."""

Injected = Annotated[Terminal, Parameter(parse=False)]
"""A parameter that `main` passes, not the command line."""
