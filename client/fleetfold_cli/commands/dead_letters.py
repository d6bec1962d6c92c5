"""`fleetfold dead-letters`: dead letters."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from msgspec.structs import asdict

from fleetfold.dead_letter_filter import DeadLetterFilter
from fleetfold_cli.command_context import Injected
from fleetfold_cli.error_exit import FAILED, OK, PARTLY
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Duration, Flag, Option
from fleetfold_cli.parsing.durations import duration_s
from fleetfold_cli.views import dead_letter_view as views
from fleetfold_shared.errors import FleetfoldError, InvalidInput
from fleetfold_shared.messages import DeadLetterReason

if TYPE_CHECKING:
    from fleetfold.client import Client

__all__ = ["dead_letters"]

PAGE = 1000

Id = Annotated[str | None, Option(help="The dead letter's id; or `--all`.")]
All = Annotated[bool, Flag(help="All that match the filters; without filters, every one.")]

dead_letters = App(name="dead-letters", help="Dead letters: commands that will not be executed, with the reason.")


@Parameter(name="*", group="Filters")
@dataclass(frozen=True, slots=True)
class DeadLetterOptions:
    """Which dead letters."""

    node: Annotated[str | None, Option(help="Only those for this node.")] = None
    reason: Annotated[DeadLetterReason | None, Option(help="Only those with this reason.")] = None
    action: Annotated[str | None, Option(help="Only those of this action.")] = None
    job: Annotated[str | None, Option(help="Only those of this job.")] = None
    tx: Annotated[str | None, Option(help="Only those of this transaction.")] = None
    since: Annotated[str | None, Duration(help="Only those within this time")] = None

    def read(self) -> DeadLetterFilter:
        """The filter. Raises `InvalidInput` for an age that is none."""
        since = None if self.since is None else time.time() - duration_s(self.since, "--since")
        return DeadLetterFilter(
            node=self.node, reason=self.reason, action=self.action, job=self.job, tx=self.tx, since=since
        )


ANY = DeadLetterOptions()


@dead_letters.command(name="list")
async def listing(
    *,
    filters: DeadLetterOptions = ANY,
    retried: Annotated[bool, Flag(help="Also those that were retried.")] = False,
    limit: Annotated[int, Option(help="How many, 1 to 1000.", show_default=True)] = 100,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List the dead letters, newest first."""
    wanted = filters.read()
    async with await terminal.fleet(common) as fleet:
        found = await fleet.dead_letters.list(wanted, retried=retried, limit=limit)
    terminal.show(common, found, lambda: views.listing(found, **asdict(wanted)))


@dead_letters.command
async def show(
    id: Annotated[str, Parameter(help="The dead letter's id.")],
    /,
    *,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Show one dead letter: its command, the reason, and its history."""
    async with await terminal.fleet(common) as fleet:
        dead_letter = await fleet.dead_letters.get(id)
    terminal.show(common, dead_letter, lambda: views.detail(dead_letter))


@dead_letters.command
async def retry(
    id: Id = None,
    /,
    *,
    all: All = False,
    filters: DeadLetterOptions = ANY,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Run a dead letter's command again, as a new job. A transaction's step is retried with `fleetfold tx retry`.

    Exit code 3 when some could not be retried, 1 when none could.
    """

    async def again(fleet: Client, key: str) -> str:
        return await fleet.dead_letters.retry(key)

    return await _do(again, "retried", id, filters, common, terminal, every=all)


@dead_letters.command
async def drop(
    id: Id = None,
    /,
    *,
    all: All = False,
    filters: DeadLetterOptions = ANY,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Delete a dead letter.

    Exit code 3 when some could not be deleted, 1 when none could.
    """

    async def forget(fleet: Client, key: str) -> str:
        await fleet.dead_letters.drop(key)
        return ""

    return await _do(forget, "dropped", id, filters, common, terminal, every=all)


async def _do(
    what: Callable[[Client, str], Awaitable[str]], done: str, key: str | None,
    filters: DeadLetterOptions, common: CommonOptions,
    terminal: Injected, *, every: bool,
) -> int:  # fmt: skip
    """Apply `what` to the dead letter `key`, or to all that match. A failure does not stop the others."""
    if (key is None) != every or (key is not None and filters != ANY):
        raise InvalidInput("id: name a dead letter, or say --all, with filters or without", field="id")
    outcomes: list[dict[str, str]] = []
    async with await terminal.fleet(common) as fleet:
        if key is not None:
            outcomes.append({"id": key, "job": await what(fleet, key), "error": ""})
        else:
            last, wanted = None, filters.read()
            while page := (await fleet.dead_letters.list(wanted, limit=PAGE, before=last)).dead_letters:
                outcomes += [await _outcome(what, fleet, dead_letter.id) for dead_letter in page]
                last = page[-1]
    failed = sum(bool(outcome["error"]) for outcome in outcomes)
    terminal.show(common, {done: outcomes}, lambda: views.outcomes(outcomes, done))
    return OK if not failed else FAILED if failed == len(outcomes) else PARTLY


async def _outcome(what: Callable[[Client, str], Awaitable[str]], fleet: Client, key: str) -> dict[str, str]:
    try:
        return {"id": key, "job": await what(fleet, key), "error": ""}
    except FleetfoldError as error:
        return {"id": key, "job": "", "error": error.message}
