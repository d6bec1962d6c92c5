"""`fleetfold whoami`, `audit` and `node-audit`: the caller's identity, and the audit log."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from cyclopts import Parameter

from fleetfold_cli.command_context import Injected, Terminal
from fleetfold_cli.json_output import line
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Duration, Flag, Option
from fleetfold_cli.parsing.durations import duration_s
from fleetfold_cli.views import access_view as views
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import AuditOutcome

if TYPE_CHECKING:
    from fleetfold.client import Client

__all__ = ["audit", "node_audit", "whoami"]


class AuditArguments(TypedDict):
    """The arguments of `Audit.list` and `Audit.follow`."""

    node: str | None
    who: str | None
    what: str | None
    outcome: AuditOutcome | None
    since: float | None
    limit: int


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class EntryOptions:
    """Which entries."""

    node: Annotated[str | None, Option(help="Only what was done to this node.")] = None
    who: Annotated[str | None, Option(help="Only what this identity did.")] = None
    what: Annotated[str | None, Option(help="Only this request, such as `nodes.invite` or `connect`.")] = None
    outcome: Annotated[AuditOutcome | None, Option(help="Only those with this outcome.")] = None
    since: Annotated[str | None, Duration(help="Only what was done within this time")] = None
    limit: Annotated[int, Option(help="How many of the latest, 1 to 1000.", show_default=True)] = 50

    def wanted(self) -> AuditArguments:
        """The arguments. Raises `InvalidInput` for an age that is none."""
        begun = time.time() - duration_s(self.since, "since") if self.since is not None else None
        return AuditArguments(
            node=self.node, who=self.who, what=self.what, outcome=self.outcome, since=begun, limit=self.limit
        )


ENTRIES = EntryOptions()


async def whoami(*, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Show the identity of this command: name, role and scopes."""
    async with await terminal.fleet(common) as fleet:
        identity = await fleet.access.whoami()
    terminal.show(common, identity, lambda: views.identity(identity))


async def audit(
    *,
    entries: EntryOptions = ENTRIES,
    follow: Annotated[
        bool, Flag(help="Print each new entry as it is written, without end; one JSON document a line.")
    ] = False,
    summary: Annotated[bool, Flag(help="Statistics instead: logins admitted, and requests refused by reason.")] = False,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List who did what to which node, when, from where, and with which outcome; oldest first."""
    if follow and summary:
        raise InvalidInput("--follow and --summary exclude each other", field="summary")
    wanted = entries.wanted()
    async with await terminal.fleet(common) as fleet:
        if summary:
            statistics = await fleet.access.stats()
            terminal.show(common, statistics, lambda: views.statistics(statistics))
        elif follow:
            await _follow(fleet, wanted, common, terminal)
        else:
            found = await fleet.audit.list(**wanted)
            terminal.show(common, {"entries": found}, lambda: views.entries(found, **_filters(entries)))


async def node_audit(
    node: Annotated[str | None, Option(help="The node's name; not with `--data`.")] = None,
    /,
    *,
    data: Annotated[
        Path | None,
        Option(help="Read this data folder of a node instead; no fleet is needed, and the node may be stopped."),
    ] = None,
    since: Annotated[str | None, Duration(help="Only what arrived within this time")] = None,
    limit: Annotated[int, Option(help="How many of the latest, 1 to 1000.", show_default=True)] = 50,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List the commands in a node's own ledger, with their callers and outcomes; oldest first.

    Compare it with `fleetfold audit --node NODE`: a command that is only here was not sent by your masters.
    """
    if (node is None) == (data is None):
        raise InvalidInput("node: name a node, or its data folder with --data: one of these", field="node")
    begun = time.time() - duration_s(since, "since") if since is not None else None
    if data is not None:
        from fleetfold_child.ledger.node_audit import LEDGER, read_node_audit

        entries = read_node_audit(data / LEDGER, begun, limit)
    else:
        async with await terminal.fleet(common) as fleet:
            entries = await fleet.nodes.audit(str(node), since=begun, limit=limit)
    terminal.show(common, {"entries": entries}, lambda: views.commands(entries))


def _filters(entries: EntryOptions) -> dict[str, Any]:
    """The filters as they were given."""
    return {name: value for name, value in asdict(entries).items() if name != "limit"}


async def _follow(fleet: Client, wanted: AuditArguments, common: CommonOptions, terminal: Terminal) -> None:
    async for entry in fleet.audit.follow(**wanted):
        terminal.say(line(entry) if common.json else views.entry(entry))
