"""`fleetfold run`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from fleetfold.cli.options import COMMON, Common, Flag, Option
from fleetfold.cli.terminal import Injected
from fleetfold.cli.values import assignment, values
from fleetfold.cli.watching import run_watched
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Job

if TYPE_CHECKING:
    from fleetfold.client import Client

__all__ = ["run"]

GRACE_S = 10.0
"""How much longer than the job itself its end is waited for."""
USAGE = "`fleetfold run TARGET ACTION [key=value]...`, or `fleetfold run --all ACTION [key=value]...`"


async def run(
    target: Annotated[str | None, Option(help="A node's name, or several with commas between.")] = None,
    action: Annotated[str | None, Option(help="The action's name.")] = None,
    /,
    *parameters: Annotated[str, Parameter(help="`key=value`, or `key:=JSON`.")],
    all: Annotated[bool, Flag(help="On all active nodes; then there is no TARGET.")] = False,  # noqa: A002
    sequential: Annotated[bool, Flag(help="One node after another.")] = False,
    timeout: Annotated[float, Option(help="Seconds the whole may take.", show_default=True)] = 60.0,
    detach: Annotated[bool, Flag(help="Do not wait: print the job's id, for `fleetfold jobs show`.")] = False,
    follow: Annotated[bool, Flag(help="With `--json`: a line at each change, the outcome last.")] = False,
    id: Annotated[str | None, Option(help="The job's id: the same id is the same job.")] = None,  # noqa: A002
    common: Common = COMMON,
    terminal: Injected,
) -> int:
    """Run an action on one node, on several, or on all.

    `fleetfold run shop reserve_stock sku=TNT-204 quantity=2`, or `fleetfold run --all stock_of sku=TNT-204`.

    A value is read as the action's own signature has it; `key:=JSON` is JSON whatever it says.

    While it waits it shows on stderr how far the nodes have come. Interrupted, the job goes on.

    Exit code 3 when it failed on some of the nodes; 1, or 4 to 8 by the way it ended, when on all.
    """
    targets, name, words = _read(target, action, parameters, everywhere=all)
    given = [assignment(word) for word in words]
    async with await terminal.fleet(common) as fleet:
        schema = await _schema(fleet, targets, name) if any(value.untyped for value in given) else None
        params, key = values(given, schema), id or new_id()

        async def begin(wait: bool) -> Job:
            return await fleet.run(
                name, params, nodes=targets, all=all, sequential=sequential, timeout_s=timeout, wait=wait, id=key
            )

        return await run_watched(
            fleet, begin, key, common, terminal, patience_s=timeout + GRACE_S, detach=detach, follow=follow
        )


def _read(
    target: str | None, action: str | None, parameters: tuple[str, ...], *, everywhere: bool
) -> tuple[list[str], str, tuple[str, ...]]:
    """The nodes, the action and its parameters; with `--all` the words stand one place further to the left."""
    if everywhere:
        target, action, parameters = "", target, parameters if action is None else (action, *parameters)
    if target is None or action is None:
        missing = "target" if target is None else "action"
        raise InvalidInput(f"{missing.upper()} is missing: {USAGE}", field=missing)
    if everywhere and parameters and "=" not in parameters[0]:
        raise InvalidInput(f"TARGET and --all exclude each other: {USAGE}", field="target")
    return [name for name in target.split(",") if name], action, parameters


async def _schema(fleet: Client, targets: Collection[str], action: str) -> dict[str, Any] | None:
    """The schema of the first target that has the action; if none does, the master will say so."""
    for node in await fleet.nodes():
        if not targets or node.name in targets:
            for info in node.description.actions:
                if info.name == action:
                    return info.schema
    return None
