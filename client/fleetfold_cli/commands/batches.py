"""`fleetfold run --from FILE`: thousands of runs, one per line, with the outcome of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Group, Parameter

from fleetfold.batch_file import check_batch_id, read_line, survey
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.parsing.common_options import CommonOptions, Flag, Option
from fleetfold_cli.parsing.run_options import CHOICE, PACE
from fleetfold_cli.parsing.standard_input import typed_lines
from fleetfold_cli.views.batch_view import BatchOutput
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Run

if TYPE_CHECKING:
    from fleetfold.client import Client

__all__ = ["LINES", "BatchOptions", "run_lines"]

STDIN = "-"
FOR_A_LINE = ("timeout_s", "start_within_s", "heartbeat_s", "overall_s", "retry", "callback", "confirmed")


@Parameter(name="*", group=Group("Batches", sort_key=4))
@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Runs from a file."""

    source: Annotated[
        str | None,
        Parameter(
            name="--from", show_default=False, allow_leading_hyphen=True,
            help="Run each line: JSON with `action`, `params`, and `node`, `nodes`, `all` or `where`. "
            "`-` is stdin.",
        ),
    ] = None  # fmt: skip
    batch_id: Annotated[
        str | None,
        Option(help="The prefix of the lines' ids, by which it can be resumed; made of the content by default."),
    ] = None
    strict: Annotated[bool, Flag(help="Check all lines first, and start nothing when one is wrong.")] = False
    window: Annotated[int, Option(help="How many lines are in progress at once.", show_default=True)] = 1000


LINES = BatchOptions()


@dataclass(slots=True)
class _Batch:
    """One pass over the lines."""

    source: str
    id: str
    defaults: Mapping[str, Any]
    window: int
    output: BatchOutput
    terminal: Terminal

    async def run(self, fleet: Client, *, wait: bool) -> None:
        """Submit them all, and report the outcome of each."""
        numbers: dict[int, int] = {}
        async with aclosing(fleet.submit(self._runs(numbers), window=self.window, wait=wait)) as outcomes:
            async for outcome in outcomes:
                self.output.outcome(numbers.pop(outcome.index), outcome)

    async def _runs(self, numbers: dict[int, int]) -> AsyncGenerator[Run, None]:
        """Yield the runs of the lines, noting each line's number by the run's place; report malformed lines."""
        number = index = 0
        async with aclosing(_texts(self.source, self.terminal)) as texts:
            async for text in texts:
                number += 1
                try:
                    run = read_line(text, number, self.id, self.defaults)
                except InvalidInput as error:
                    self.output.malformed(number, error)
                    continue
                if run is not None:
                    numbers[index] = number
                    index += 1
                    yield run


async def run_lines(
    lines: BatchOptions,
    fields: Mapping[str, Any],
    words: Sequence[str],
    common: CommonOptions,
    terminal: Terminal,
    *,
    detach: bool,
) -> int:
    """Run the lines; the exit code: 0 when all went well, 3 when some did, 1 when none did, as far as they were begun.

    `fields` are those of the command line, `words` what stands on it besides.
    """
    _check(lines, fields, words)
    source, dry_run = lines.source or STDIN, fields["dry_run"]
    defaults = msgspec.to_builtins({name: fields[name] for name in FOR_A_LINE if fields[name] is not None})
    async with await terminal.fleet(common) as fleet:
        total, batch_id = await _surveyed(lines, source, fleet.name)

        async def once(*, checking: bool, quiet: bool = False) -> BatchOutput:
            given = {**defaults, "dry_run": True} if checking else defaults
            with BatchOutput(common, terminal, batch_id, total, quiet=quiet) as output:
                batch = _Batch(source, batch_id, given, lines.window, output, terminal)
                await batch.run(fleet, wait=not (detach or checking))
            return output

        if lines.strict and not dry_run and (checked := await once(checking=True, quiet=True)).failed:
            raise InvalidInput(f"from: nothing was begun: {checked.failed} lines are wrong", field="from")
        return (await once(checking=dry_run)).code()


def _check(lines: BatchOptions, fields: Mapping[str, Any], words: Sequence[str]) -> None:
    """Raise `InvalidInput` for options that the lines have themselves."""
    if words:
        raise InvalidInput(f"from: the lines say what runs where; leave {words[0]!r} out", field="from")
    usual = {**CHOICE.fields(), **PACE.fields()}
    for name, value in usual.items():
        if name not in {"confirmed", "dry_run"} and fields[name] != value:
            option = name.removesuffix("_s").replace("_", "-")
            raise InvalidInput(f"{option}: the lines say it, each for itself; leave --{option} out", field=option)
    if lines.batch_id is not None:
        check_batch_id(lines.batch_id)
    if lines.strict and lines.source == STDIN:
        raise InvalidInput("strict: stdin can be read only once; write the lines to a file first", field="strict")


async def _surveyed(lines: BatchOptions, source: str, caller: str) -> tuple[int | None, str]:
    """How many lines there are, if that can be known, and the batch's id."""
    if source == STDIN:
        return None, lines.batch_id or new_id()
    found = await asyncio.to_thread(survey, Path(source), caller)
    return found.lines, lines.batch_id or found.batch_id


async def _texts(source: str, terminal: Terminal) -> AsyncGenerator[str | bytes, None]:
    if source == STDIN:
        async with aclosing(typed_lines(terminal.stdin)) as lines:
            async for line in lines:
                yield line
        return
    with Path(source).open("rb") as opened:  # noqa: ASYNC230 (a file that was just read through)
        for text in opened:
            yield text
