"""`fleetfold definitions`: stored transactions, run by name."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from fleetfold_cli.command_context import Injected
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Flag, Option
from fleetfold_cli.parsing.transaction_argument import parsed
from fleetfold_cli.parsing.transaction_file import read
from fleetfold_cli.views import definition_view as views

__all__ = ["definitions"]

Name = Annotated[str, Parameter(help="The definition's name; `NAME@VERSION` for one version.")]
File = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="YAML, TOML or JSON: `name`, `steps`, and if it has any `inputs`, `about`, `within_s`; `-` is stdin.",
    ),
]

definitions = App(name="definitions", help="Transactions that are stored, and run by name.")


@definitions.command
async def put(
    file: File,
    /,
    *,
    name: Annotated[str | None, Option(help="Another name than the file gives.")] = None,
    dry_run: Annotated[bool, Flag(help="Check it, and store nothing.")] = False,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Store the transaction of a file; content that differs from its newest version is a new version.

    What the fleet in its present state would refuse is a warning: a transaction is fully checked when it is run.
    """
    definition = read(file, terminal.stdin).definition(name)
    async with await terminal.fleet(common) as fleet:
        stored = await fleet.definitions.put(definition, dry_run=dry_run)
    terminal.show(common, stored, lambda: views.stored(stored, checked=dry_run))


@definitions.command(name="list")
async def listing(*, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """List the definitions by name, each in its newest version."""
    async with await terminal.fleet(common) as fleet:
        found = await fleet.definitions.list()
    terminal.show(common, {"definitions": found}, lambda: views.listing(found))


@definitions.command
async def show(name: Name, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Show one definition: its inputs and its steps."""
    async with await terminal.fleet(common) as fleet:
        record = await fleet.definitions.get(*parsed(name))
    terminal.show(common, record, lambda: views.detail(record))


@definitions.command
async def remove(
    name: Annotated[str, Parameter(help="The definition's name.")],
    /,
    *,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Remove all versions of a definition. Running transactions continue."""
    async with await terminal.fleet(common) as fleet:
        versions = await fleet.definitions.remove(name)
    shown = f"{name} removed, {versions} version{'' if versions == 1 else 's'}"
    terminal.show(common, {"name": name, "versions": versions}, lambda: shown)
