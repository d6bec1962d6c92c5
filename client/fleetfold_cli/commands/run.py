"""`fleetfold run`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from msgspec.structs import replace

from fleetfold.run_request import duration_s
from fleetfold_cli.command_context import Injected, Terminal
from fleetfold_cli.commands.batches import LINES, BatchOptions, run_lines
from fleetfold_cli.commands.job_watch import run_watched
from fleetfold_cli.parsing.assignments import assignment, values
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Flag, Option
from fleetfold_cli.parsing.run_options import CHOICE, PACE, TIMES, LimitOptions, RolloutOptions, TargetOptions
from fleetfold_cli.parsing.standard_input import agreed
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Job, Run

if TYPE_CHECKING:
    from fleetfold.client import Client

__all__ = ["run"]

GRACE_S = 10.0
"""How much longer than the job itself its end is waited for."""
USAGE = (
    "`fleetfold run TARGET ACTION [key=value]...`, or instead of TARGET `--all` or `--where EXPRESSION`, "
    "or `--from FILE` alone"
)
SHOWN_NAMES = 5
ALL = "all"
"""The TARGET that is `--all`."""


# Twelve parameters: the words of the command line, and five groups of options.
async def run(
    target: Annotated[str | None, Option(help="A node's name, several with commas between, or `all`.")] = None,
    action: Annotated[str | None, Option(help="The action's name.")] = None,
    /,
    *parameters: Annotated[str, Parameter(help="`key=value`, or `key:=JSON`.")],
    choice: TargetOptions = CHOICE,
    pace: RolloutOptions = PACE,
    times: LimitOptions = TIMES,
    lines: BatchOptions = LINES,
    detach: Annotated[bool, Flag(help="Do not wait: print the job's id, for `fleetfold jobs show`.")] = False,
    follow: Annotated[bool, Flag(help="With `--json`: a line at each change, the outcome last.")] = False,
    id: Annotated[str | None, Option(help="The job's id: the same id is the same job.")] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Run an action on one node, on several, on all, or on those for which an expression holds.

    `fleetfold run shop reserve_stock sku=TNT-204 quantity=2`, or `fleetfold run --all stock_of sku=TNT-204`.

    A value is parsed by the type in the action's signature; `key:=JSON` is always JSON.

    With `--from FILE`, run each line of a file, thousands of them.

    While it waits it shows the progress of the nodes on stderr. If it is interrupted, the job continues.

    Exit code 3 when it failed on some of the nodes; when on all, 1, or 4 to 8 and 11 by the outcome.
    """
    fields = {**choice.fields(), **pace.fields(), **times.fields()}
    if lines.source is not None:
        words = [word for word in (target, action, id) if word is not None]
        return await run_lines(lines, fields, words, common, terminal, detach=detach)
    targets, name, given_words = _read(target, action, parameters, choice)
    fields["all"] = choice.all or not (targets or choice.where)
    given = [assignment(word) for word in given_words]
    async with await terminal.fleet(common) as fleet:
        schema = await _schema(fleet, targets, name) if any(value.untyped for value in given) else None
        run = Run(id=id or new_id(), action=name, params=values(given, schema), nodes=targets, **fields)

        async def begin(wait: bool) -> Job:
            return await _started(fleet, run, common, terminal, wait=wait)

        def patience(job: Job) -> float:
            return duration_s(run, len(job.nodes)) + GRACE_S

        return await run_watched(
            fleet, begin, run.id, common, terminal, patience_s=patience, detach=detach, follow=follow
        )


async def _started(fleet: Client, run: Run, common: CommonOptions, terminal: Terminal, *, wait: bool) -> Job:
    """The job, at its end or as it started. If the master requires a confirmation, a person at a terminal is asked."""
    begin = fleet.jobs.run if wait else fleet.jobs.start
    try:
        return await begin(run)
    except InvalidInput as refused:
        if refused.field != "confirmed" or common.json or not (terminal.stdin.isatty() and terminal.err.isatty()):
            raise
    checked = await begin(replace(run, dry_run=True, id=new_id()))
    if not await agreed(_question(checked), terminal.err, terminal.stdin):
        raise Conflict("nothing was run: it was not confirmed", field="confirmed")
    return await begin(replace(run, confirmed=True))


def _question(checked: Job) -> str:
    names = [node.node for node in checked.nodes]
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{checked.action} is destructive. Run it on {len(names)} nodes ({', '.join(names[:SHOWN_NAMES])}{more})?"


def _read(
    target: str | None, action: str | None, parameters: tuple[str, ...], choice: TargetOptions
) -> tuple[list[str], str, tuple[str, ...]]:
    """The nodes, the action and its parameters. Where the options say which nodes, or with `--any` nobody does, the
    words stand one place further to the left.
    """
    without = choice.needs_no_target or (choice.any and (action is None or "=" in action))
    if without:
        target, action, parameters = "", target, parameters if action is None else (action, *parameters)
    if target is None or action is None:
        missing = "target" if target is None else "action"
        raise InvalidInput(f"{missing.upper()} is missing: {USAGE}", field=missing)
    if without and parameters and "=" not in parameters[0]:
        option = "--all" if choice.all else "--where"
        raise InvalidInput(f"TARGET and {option} exclude each other: {USAGE}", field="target")
    return [name for name in target.split(",") if name] if target != ALL else [], action, parameters


async def _schema(fleet: Client, targets: Collection[str], action: str) -> dict[str, Any] | None:
    """The schema of the first target that has the action; if none does, the master will say so."""
    for node in await fleet.nodes.list():
        if not targets or node.name in targets:
            for info in node.description.actions:
                if info.name == action:
                    return info.schema
    return None
