"""`fleetfold keys`: API keys, and the signing key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from fleetfold.credentials import keys_directory
from fleetfold_cli.command_context import Injected
from fleetfold_cli.parsing.assignments import listed
from fleetfold_cli.parsing.common_options import (
    COMMON,
    OUTPUT,
    CommonOptions,
    Duration,
    Flag,
    Option,
    OutputOptions,
    StatePath,
)
from fleetfold_cli.parsing.durations import duration_s
from fleetfold_cli.views import access_view as views
from fleetfold_cli.views.text import dropped
from fleetfold_shared.config import load
from fleetfold_shared.ids import check_slug
from fleetfold_shared.messages import ClientRole, Scopes

__all__ = ["keys"]

Key = Annotated[str, Parameter(help="The key's id, or the name it is for.")]
KEEP = "this is shown once: keep it in a file of mode 0600, and name that in $FLEETFOLD_API_KEY_FILE or --key-file"
WEBHOOK = "give it to whoever takes the webhooks: any library of Standard Webhooks checks a signature with it"

keys = App(name="keys", help="API keys of callers, and the key that signs access tokens.")


@keys.command
async def create(
    name: Annotated[str, Parameter(help="Who it is for: a-z, 0-9 and '-'.")],
    /,
    *,
    role: Annotated[ClientRole, Option(help="What it may do.", show_default=True)] = "reader",
    nodes: Annotated[str | None, Option(help="Only these nodes: `shop,blog-*`.")] = None,
    actions: Annotated[str | None, Option(help="Only these actions.")] = None,
    collections: Annotated[str | None, Option(help="Only these collections.")] = None,
    expires: Annotated[str | None, Duration(help="How long it is valid; it does not expire by default")] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Create an API key for a person or a program, alone on stdout.

    It is shown only once. Several keys of one name have one role and the same scopes.
    """
    scopes = Scopes(listed(nodes), listed(actions), listed(collections))
    expires_s = duration_s(expires, "expires") if expires is not None else None
    async with await terminal.fleet(common) as fleet:
        created = await fleet.keys.create(name, role=role, scopes=scopes, expires_s=expires_s)
    terminal.secret(common, created, created.key, KEEP)


@keys.command(name="list")
async def listing(
    *,
    revoked: Annotated[bool, Flag(help="Also those that were revoked.")] = False,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List all API keys, without their secrets."""
    async with await terminal.fleet(common) as fleet:
        found = await fleet.keys.list(revoked=revoked)
    terminal.show(common, {"keys": found}, lambda: views.keys(found))


@keys.command
async def rotate(
    key: Annotated[
        str | None, Parameter(help="An API key's id, or a name with one key; the signing key by default.")
    ] = None,
    /,
    *,
    overlap: Annotated[
        str | None, Duration(help="How long an old signing key is still accepted (an API key ends at once)")
    ] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Replace an API key by a new one, alone on stdout; or sign access tokens with a new key.

    An old signing key is accepted as long as its tokens live, unless `--overlap` says otherwise.
    """
    overlap_s = duration_s(overlap, "overlap") if overlap is not None else None
    async with await terminal.fleet(common) as fleet:
        if key is None:
            signing = await fleet.keys.rotate_signing(overlap_s=overlap_s)
            terminal.show(common, signing, lambda: views.signing(signing))
        else:
            created = await fleet.keys.rotate(key, overlap_s=overlap_s or 0.0)
            terminal.secret(common, created, created.key, KEEP)


@keys.command
async def revoke(key: Key, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Revoke an API key by its id, or all of a name, and drop their connections."""
    async with await terminal.fleet(common) as fleet:
        revoked = await fleet.keys.revoke(key)
    said = f"{', '.join(revoked.ids)} revoked; {dropped(revoked.connections)}"
    terminal.show(common, revoked, lambda: said)


@keys.command
def broker(
    *,
    keys: Annotated[Path | None, StatePath("Where the fleet's secrets are.", "keys")] = None,
    output_file: Annotated[Path | None, Option(name="--output", help="Write it there instead.")] = None,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> None:
    """Print the identity part of a nats.conf, for a broker of your own.

    It contains only public keys. Missing secret keys are created. No running fleet is needed.
    """
    from fleetfold_broker.identity import BrokerKeys
    from fleetfold_broker.identity.server_accounts import identity_config

    setting = load(None, os.environ).access.keys
    directory = keys or (Path(setting) if setting else keys_directory())
    text = identity_config(
        BrokerKeys.load(directory, os.environ).public, check_slug(output.prefix or "fleet", "prefix")
    )
    if output_file is None:
        terminal.show(output, {"config": text}, lambda: views.plain(text))
    else:
        output_file.parent.mkdir(parents=True, exist_ok=True)
        output_file.write_text(text, encoding="utf-8")
        terminal.show(output, {"file": str(output_file)}, lambda: f"written to {output_file}")


@keys.command
def webhook(
    *,
    keys: Annotated[Path | None, StatePath("Where the fleet's secrets are.", "keys")] = None,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> None:
    """Print the secret that signs webhooks, alone on stdout, for their receivers.

    It is created if it does not exist yet. No running fleet is needed.
    """
    from fleetfold_master.webhooks.webhook_signing import WebhookSecret

    setting = load(None, os.environ).access.keys
    directory = keys or (Path(setting) if setting else keys_directory())
    secret = WebhookSecret.load(directory, os.environ).text
    terminal.secret(output, {"secret": secret}, secret, WEBHOOK)
