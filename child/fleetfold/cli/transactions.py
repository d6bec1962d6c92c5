"""`fleetfold tx`: transactions, all steps or none."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from fleetfold.cli.callbacks import callback as read_callback
from fleetfold.cli.options import COMMON, Common, Flag, Option
from fleetfold.cli.outcomes import of_transaction
from fleetfold.cli.terminal import Injected
from fleetfold.cli.transactionfile import read
from fleetfold.cli.views import transactions as views
from fleetfold_shared.messages import TransactionState

__all__ = ["tx"]

Id = Annotated[str, Parameter(help="The transaction's id.")]
File = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True, help="`name`, and `steps` of name, node, action, params, rollback; `-` is stdin."
    ),
]

tx = App(name="tx", help="Transactions: all steps, or none.")


@tx.command
async def run(
    file: File,
    /,
    *,
    timeout: Annotated[float, Option(help="Seconds to wait; the transaction goes on.", show_default=True)] = 300.0,
    detach: Annotated[bool, Flag(help="Do not wait: print its id, for `fleetfold tx show`.")] = False,
    id: Annotated[str | None, Option(help="Its id: the same id is the same transaction.")] = None,  # noqa: A002
    within: Annotated[float | None, Option(help="Roll it back if it has not ended after so many seconds.")] = None,
    dry_run: Annotated[bool, Flag(help="Check everything, and begin nothing.")] = False,
    callback: Annotated[
        str | None, Option(help="Who is told of its end: a URL, or a type of event under your own name.")
    ] = None,
    common: Common = COMMON,
    terminal: Injected,
) -> int:
    """Run the transaction of a TOML or JSON file.

    Exit code 9 when it was rolled back, 10 when it is parked.
    """
    order = read(file, terminal.stdin)
    async with await terminal.fleet(common) as fleet:
        if dry_run:
            view = await fleet.check_transaction(order.steps, name=order.name)
        else:
            view = await fleet.transact(
                order.steps, name=order.name, wait=not detach, timeout_s=timeout, id=id, within_s=within,
                callback=read_callback(callback),
            )  # fmt: skip
    terminal.show(common, view, lambda: view.id if detach else views.detail(view))
    return of_transaction(view.state)


@tx.command(name="list")
async def listing(
    *,
    limit: Annotated[int, Option(help="How many, 1 to 1000.", show_default=True)] = 50,
    state: Annotated[TransactionState | None, Option(help="Only those in this state.")] = None,
    common: Common = COMMON,
    terminal: Injected,
) -> None:
    """The latest transactions, newest first."""
    async with await terminal.fleet(common) as fleet:
        found = await fleet.transactions(limit, state)
    terminal.show(common, {"transactions": found}, lambda: views.listing(found))


@tx.command
async def show(id: Id, /, *, common: Common = COMMON, terminal: Injected) -> None:  # noqa: A002
    """One transaction: its steps, and all that happened, and why."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.transaction(id)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def cancel(id: Id, /, *, common: Common = COMMON, terminal: Injected) -> None:  # noqa: A002
    """Turn a running transaction back: what was done is undone."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.cancel_transaction(id)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def retry(
    id: Id,  # noqa: A002
    /,
    *,
    step: Annotated[str | None, Option(help="Only this parked step.")] = None,
    common: Common = COMMON,
    terminal: Injected,
) -> None:
    """Try what is parked again."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.retry_transaction(id, step)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def skip(
    id: Id,  # noqa: A002
    step: Annotated[str, Parameter(help="The parked step.")],
    /,
    *,
    why: Annotated[str, Option(help="Why, for the timeline.")],
    common: Common = COMMON,
    terminal: Injected,
) -> None:
    """Leave a parked step as it is, and let the others go on."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.skip_step(id, step, why)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def resolve(
    id: Id,  # noqa: A002
    state: Annotated[Literal["committed", "rolled_back"], Parameter(help="How it has ended.")],
    /,
    *,
    why: Annotated[str, Option(help="Why, for the timeline.")],
    common: Common = COMMON,
    terminal: Injected,
) -> None:
    """End what is parked by hand: you have seen to it that this is true."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.resolve_transaction(id, state, why)
    terminal.show(common, view, lambda: views.detail(view))


@tx.command
async def follow(
    id: Id,  # noqa: A002
    /,
    *,
    timeout: Annotated[float, Option(help="Seconds to wait for its end.", show_default=True)] = 300.0,
    common: Common = COMMON,
    terminal: Injected,
) -> int:
    """Wait for a transaction's end, and show it.

    Exit code 9 when it was rolled back, 10 when it is parked.
    """
    async with await terminal.fleet(common) as fleet:
        view = await fleet.wait_transaction(id, timeout)
    terminal.show(common, view, lambda: views.detail(view))
    return of_transaction(view.state)
