"""`fleetfold nodes`: the nodes and their state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from rich.console import RenderableType

from fleetfold_cli.command_context import Injected
from fleetfold_cli.error_exit import FAILED, OK, PARTLY
from fleetfold_cli.parsing.assignments import labels, listed
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Duration, Flag, Many, Option, Seconds
from fleetfold_cli.parsing.durations import duration_s
from fleetfold_cli.views import node_view as views
from fleetfold_cli.views import reconciliation_view
from fleetfold_cli.views.text import cell, dropped, ms, table
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CAPABILITIES, Capability, DiscoveredNode, NodeUpdate

if TYPE_CHECKING:
    from fleetfold.client import Client

__all__ = ["nodes"]

Name = Annotated[str, Parameter(help="The node's name.")]

nodes = App(name="nodes", help="List nodes and their state, and change it.")


@nodes.command(name="list")
async def listing(
    *,
    removed: Annotated[bool, Flag(help="Also those that were removed.")] = False,
    where: Annotated[
        str | None, Option(help="Those for which this holds, such as `role=shop and documents>0`.")
    ] = None,
    wide: Annotated[bool, Flag(help="Also versions, labels, and the time of the last change of state.")] = False,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List all nodes: type, state, presence, documents, actions, last heartbeat, and round-trip time.

    A node that has signed off is `stopped`; one that is silent without it is `not heard`.
    """
    async with await terminal.fleet(common) as fleet:
        found = await fleet.nodes.list(removed=removed, where=where)
    terminal.show(common, {"nodes": found}, lambda: views.listing(found, wide=wide, where=where))


@nodes.command
async def show(name: Name, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Show one node, with the signatures of its actions."""
    async with await terminal.fleet(common) as fleet:
        node = await fleet.nodes.get(name)
    terminal.show(common, node, lambda: views.detail(node))


@nodes.command
async def ping(
    *names: Annotated[str, Parameter(help="Nodes' names; all nodes by default.")],
    timeout: Annotated[float, Seconds(help="How long to wait for each.")] = 1.0,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Measure the round trip to the named nodes, or to all, in milliseconds.

    Exit code 3 when some did not answer, 1 when none did; of all nodes, those that have signed off do not count.
    """
    async with await terminal.fleet(common) as fleet:
        ms = await fleet.nodes.ping(*names, timeout_s=timeout)
        silent = {name for name, value in ms.items() if value is None}
        stopped = set[str]() if names or not silent else silent & await _stopped(fleet)
    terminal.show(common, {"ms": ms}, lambda: views.pings(ms, stopped))
    missing, expected = silent - stopped, ms.keys() - stopped
    return OK if not missing else FAILED if missing == expected else PARTLY


async def _stopped(fleet: Client) -> set[str]:
    return {node.name for node in await fleet.nodes.list() if node.presence == "stopped"}


@nodes.command
async def discover(
    *,
    timeout: Annotated[float, Seconds(help="How long to wait for answers.")] = 1.0,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Nodes outside of the fleet: those that answer a broadcast though they are not in it, and those that wait.

    `unregistered` nodes are connected with credentials that are still good, and the masters have no record of them: the
    database was lost or restored. Invite them again. `removed` nodes can answer only where the fleet runs `--insecure`,
    or until they are disconnected. `pending` nodes have asked to be let in; they are not asked, and hear no broadcast.
    A process without credentials of a node is not found: it can neither hear the question nor answer it.
    """
    async with await terminal.fleet(common) as fleet:
        found = await fleet.nodes.discover(timeout_s=timeout)
    terminal.show(common, {"nodes": found}, lambda: _outside(found))


@nodes.command
async def stats(*, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Show statistics of the fleet."""
    async with await terminal.fleet(common) as fleet:
        statistics = await fleet.nodes.stats()
    terminal.show(common, statistics, lambda: views.statistics(statistics))


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class NodeChangeOptions:
    """What is to be set."""

    state: Annotated[
        Literal["active", "inactive", "maintenance"] | None,
        Option(help="Its state: only an active node is searched and sent commands."),
    ] = None
    title: Annotated[str | None, Option(help="A title for display.")] = None
    label: Annotated[tuple[str, ...], Many(help="`key=value`: a label to add, or to change.")] = ()
    unlabel: Annotated[tuple[str, ...], Many(help="`key`: a label to remove, also one that the node declares.")] = ()
    labels_from_node: Annotated[
        bool, Flag(help="Remove all labels that were set here; the node keeps those it declares.")
    ] = False
    weight: Annotated[float | None, Option(help="Its share of balanced work.")] = None

    def of(self, name: str) -> NodeUpdate:
        """The request. Raises `InvalidInput` if there is nothing to change."""
        wanted = NodeUpdate(
            node=name, state=self.state, title=self.title, labels=labels(self.label) or None, weight=self.weight,
            unlabel=list(self.unlabel), labels_from_node=self.labels_from_node,
        )  # fmt: skip
        if wanted == NodeUpdate(node=name):
            raise InvalidInput(
                "nothing to change: give --state, --title, --label, --unlabel, --labels-from-node or --weight"
            )
        return wanted


UNCHANGED = NodeChangeOptions()


@nodes.command
async def update(
    name: Name,
    /,
    *,
    change: NodeChangeOptions = UNCHANGED,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Set a node's state, title, labels or weight.

    An incompatible node cannot be set active: the refusal names both versions.
    """
    wanted = change.of(name)
    async with await terminal.fleet(common) as fleet:
        node = await fleet.nodes.update(wanted)
    terminal.show(common, node, lambda: views.detail(node))


@nodes.command
async def remove(name: Name, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Remove a node from the fleet, with its credentials and its queue. Its name may be used again.

    Searches no longer report it. To have it back, invite it again: `fleetfold nodes invite NAME`.
    """
    async with await terminal.fleet(common) as fleet:
        await fleet.nodes.remove(name)
    terminal.show(common, {"node": name, "removed": True}, lambda: f"{name} is removed")


@nodes.command
async def reconcile(
    name: Name,
    /,
    *,
    accept: Annotated[bool, Flag(help="Make it the known ledger: the node runs commands again.")] = False,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Compare a node's ledger with what the masters know of its commands, and accept it.

    For a node in the state `error` because its ledger was lost, or is an old copy. Shown are the commands that took
    effect, as the masters know, and that the ledger denies. Exit code 1 while the ledger is refused, 3 when it is
    accepted and an operator must look at something.
    """
    async with await terminal.fleet(common) as fleet:
        found = await fleet.nodes.reconcile(name, accept=accept)
    terminal.show(common, found, lambda: reconciliation_view.reconciled(found))
    if not found.accepted:
        return FAILED
    return PARTLY if any(one.look for one in found.denied) else OK


@nodes.command
async def invite(
    name: Name,
    /,
    *,
    expires: Annotated[str, Duration(help="How long the token is valid")] = "1h",
    uses: Annotated[int, Option(help="How often it may be used.", show_default=True)] = 1,
    only: Annotated[
        str | None, Option(help="The capabilities of the node: search, actions, events, api; all by default.")
    ] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Create a join token for a new node, alone on stdout.

    It is shown only once. `fleetfold nodes invite shop > token` stores it for `fleetfold child --join-file token`.
    """
    granted = _capabilities(only) if only is not None else CAPABILITIES
    expires_s = duration_s(expires, "expires")
    async with await terminal.fleet(common) as fleet:
        invited = await fleet.nodes.invite(name, expires_s=expires_s, uses=uses, only=granted)
    advice = f"next, where {name} is to run: fleetfold child --name {name} --join-file FILE --url URL"
    terminal.secret(common, invited, invited.token, advice)


@nodes.command
async def approve(
    name: Name,
    /,
    *,
    fingerprint: Annotated[
        str | None, Option(help="Only the node whose key has this fingerprint, which its log shows.")
    ] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Admit a pending node that asked to join without a token."""
    async with await terminal.fleet(common) as fleet:
        node = await fleet.nodes.approve(name, fingerprint=fingerprint)
    terminal.show(common, node, lambda: f"{name} is approved")


@nodes.command
async def revoke(name: Name, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Revoke a node's credentials and open invitations, and drop its connections."""
    async with await terminal.fleet(common) as fleet:
        revoked = await fleet.nodes.revoke(name)
    terminal.show(common, revoked, lambda: f"{name} is revoked; {dropped(revoked.connections)}")


def _outside(found: list[DiscoveredNode]) -> RenderableType:
    if not found:
        return "no nodes outside of the fleet"
    made = table("node", "state", "answer", right=frozenset({"answer"}))
    for node in found:
        made.add_row(cell(node.name), node.state, ms(node.ms))
    return made


def _capabilities(words: str) -> tuple[Capability, ...]:
    known: dict[str, Capability] = {name: name for name in CAPABILITIES}
    names = listed(words)
    for name in names:
        if name not in known:
            raise InvalidInput(f"only: {name!r} is none of {', '.join(known)}", field="only")
    return tuple(known[name] for name in names)
