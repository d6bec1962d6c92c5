"""`fleetfold tx`: transactions, all steps or none."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from fleetfold.transact_request import transact_request
from fleetfold_cli.command_context import Injected
from fleetfold_cli.error_exit import OK
from fleetfold_cli.exit_codes import of_transaction
from fleetfold_cli.json_output import line
from fleetfold_cli.parsing.callback_arguments import callback as read_callback
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Flag, Option, Seconds
from fleetfold_cli.parsing.transaction_argument import ChosenTransaction, of_definition, of_file
from fleetfold_cli.views import transaction_view as views
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import TransactionState, TransactionView

if TYPE_CHECKING:
    from fleetfold.client import Client

__all__ = ["tx"]

Id = Annotated[str, Parameter(help="The transaction's id.")]
File = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="A YAML, TOML or JSON file of a `name`, and `steps` of name, node, action, params, rollback; `-` is stdin."
        " Or the name of a definition, NAME or NAME@VERSION.",
    ),
]

tx = App(name="tx", help="Transactions: all steps are done, or all are compensated.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class TransactionOptions:
    """How a transaction is run."""

    timeout: Annotated[float, Seconds(help="How long to wait; the transaction continues.")] = 300.0
    detach: Annotated[bool, Flag(help="Do not wait: print its id, for `fleetfold tx show`.")] = False
    id: Annotated[str | None, Option(help="Its id: the same id is the same transaction.")] = None
    within: Annotated[float | None, Seconds(help="Roll it back if it has not ended by then.")] = None
    dry_run: Annotated[bool, Flag(help="Check everything, and start nothing.")] = False
    callback: Annotated[
        str | None, Option(help="Where its end is reported: a webhook's URL, or a type of event under your own name.")
    ] = None


DEFAULTS = TransactionOptions()


@tx.command
async def run(
    file: File,
    /,
    *inputs: Annotated[str, Parameter(help="`key=value`, or `key:=JSON`: its inputs.")],
    how: TransactionOptions = DEFAULTS,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Run the transaction of a file, or a stored one: `fleetfold tx run order sku=TNT-204`.

    Exit code 9 when it was rolled back, 10 when it is parked.
    """
    order = of_file(file, inputs, terminal.stdin)
    async with await terminal.fleet(common) as fleet:
        if order is None:
            order = await of_definition(file, inputs, fleet)
        view = await _run(fleet, order, how)
    terminal.show(common, view, lambda: view.id if how.detach else views.detail(view))
    return of_transaction(view.state)


async def _run(fleet: Client, order: ChosenTransaction, how: TransactionOptions) -> TransactionView:
    if how.dry_run:
        return await fleet.transactions.check(order.steps, name=order.name, inputs=order.inputs)
    request = transact_request(
        order.steps, order.inputs, id=how.id or new_id(), name=order.name, callback=read_callback(how.callback),
        timeout_s=order.within_s if how.within is None else how.within,
    )  # fmt: skip
    begin = fleet.transactions.start if how.detach else fleet.transactions.run
    return await begin(request, how.timeout)


@tx.command(name="list")
async def listing(
    *,
    limit: Annotated[int, Option(help="How many, 1 to 1000.", show_default=True)] = 50,
    state: Annotated[TransactionState | None, Option(help="Only those in this state.")] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List the latest transactions, newest first."""
    async with await terminal.fleet(common) as fleet:
        found = await fleet.transactions.list(limit, state)
    terminal.show(common, {"transactions": found}, lambda: views.listing(found, state=state))


@tx.command
async def show(id: Id, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Show one transaction: its steps, and its timeline with reasons."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.transactions.get(id)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def cancel(
    id: Id,
    /,
    *,
    why: Annotated[str, Option(help="Why, for the timeline.")] = "",
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Cancel a running transaction: its completed steps are compensated."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.transactions.cancel(id, why=why)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def retry(
    id: Id,
    /,
    *,
    step: Annotated[str | None, Option(help="Only this parked step.")] = None,
    why: Annotated[str, Option(help="Why, for the timeline.")] = "",
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Retry the parked steps of a transaction."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.transactions.retry(id, step, why=why)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def skip(
    id: Id,
    step: Annotated[str, Parameter(help="The parked step.")],
    /,
    *,
    why: Annotated[str, Option(help="Why, for the timeline.")],
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Leave a parked step as it is, and continue with the others."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.transactions.skip(id, step, why)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def resolve(
    id: Id,
    state: Annotated[Literal["committed", "rolled_back"], Parameter(help="Its final state.")],
    /,
    *,
    why: Annotated[str, Option(help="Why, for the timeline.")],
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """End a parked transaction by hand, after you have made sure that this is its state."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.transactions.resolve(id, state, why)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def follow(
    id: Id,
    /,
    *,
    timeout: Annotated[float, Seconds(help="How long to wait for its end.")] = 300.0,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Follow the timeline of a transaction until its end.

    With `--json` a document a line: `{"entry": ...}` each, and `{"transaction": ...}` at the end.

    Exit code 9 when it was rolled back, 10 when it is parked.
    """
    code = OK
    async with await terminal.fleet(common) as fleet:
        shown = views.TimelinePrinter()
        async with aclosing(fleet.transactions.follow(id, timeout_s=timeout)) as news:
            async for one in news:
                if isinstance(one, TransactionView):
                    code = of_transaction(one.state)
                    said = line({"transaction": one}) if common.json else shown.end(one)
                else:
                    said = line({"entry": one}) if common.json else shown.entry(one)
                terminal.say(said)
    return code
