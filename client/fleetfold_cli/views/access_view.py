"""Views of keys, identities and the audit log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.daemons.configuration_audit import Finding
from fleetfold_cli.views.text import ago, cell, clean, grid, joined, moment, ms, nothing, state, table
from fleetfold_shared.messages import AccessStats, AuditEntry, Identity, KeyInfo, NodeAuditEntry, Scopes, SigningRotated

__all__ = ["commands", "entries", "entry", "findings", "identity", "keys", "plain", "signing", "statistics"]


def keys(found: Sequence[KeyInfo]) -> RenderableType:
    """One line a key."""
    if not found:
        return "no keys yet: make one with `fleetfold keys create NAME`"
    made = table("key", "name", "role", "scopes", "created", "by", "last used", "ends")
    for key in found:
        made.add_row(
            cell(key.id), cell(key.name), cell(key.role), cell(_scopes(key.scopes)), ago(key.created_at),
            cell(key.created_by), ago(key.last_used_at), _end(key),
        )  # fmt: skip
    return made


def identity(who: Identity) -> RenderableType:
    """Name, role, scopes."""
    made = grid()
    made.add_row("name", cell(who.name))
    made.add_row("role", cell(who.role))
    made.add_row("scopes", cell(_scopes(who.scopes)))
    return made


def signing(rotated: SigningRotated) -> RenderableType:
    """Which key signs now, and which are still accepted."""
    lines = [Text.assemble("access tokens are signed with ", cell(rotated.kid, "bold"))]
    lines += [Text.assemble(cell(key.kid), f" is accepted until {moment(key.until)}") for key in rotated.retiring]
    return Group(*lines)


def entries(found: Sequence[AuditEntry], **filters: object) -> RenderableType:
    """One line an entry; `filters` are what was asked for."""
    if not found:
        return nothing("entries of the audit log", "nothing in the audit log yet", filters)
    made = table(
        "when", "who", "role", "what", "node", "target", "outcome", "took", "why", "from", right=frozenset({"took"})
    )
    for one in found:
        made.add_row(
            moment(one.at), cell(one.who), cell(one.role), cell(one.what), cell(one.node), cell(one.target),
            state(one.outcome), ms(one.ms), cell(one.reason), cell(one.source),
        )  # fmt: skip
    return made


def commands(found: Sequence[NodeAuditEntry]) -> RenderableType:
    """One line a command, in a node's own words."""
    if not found:
        return "no command in the node's ledger that matches"
    made = table("when", "who", "role", "action", "command", "outcome", "took", "starts", right=frozenset({"took"}))
    for one in found:
        action = f"{one.action} (compensates {one.compensates})" if one.compensates else one.action
        made.add_row(
            moment(one.at), cell(one.caller), cell(one.role), cell(action), cell(one.command),
            state(one.outcome or "running"), ms(one.ms), str(one.starts),
        )  # fmt: skip
    return made


def entry(one: AuditEntry) -> str:
    """One line, for a log that goes on."""
    said = " ".join(filter(None, (one.what, one.node, one.target)))
    why = f": {one.reason}" if one.reason else ""
    source = f"  from {one.source}" if one.source else ""
    return clean(f"{moment(one.at)}  {one.who}  {said}  {one.outcome}{why}{source}".replace("\n", " "))


def statistics(stats: AccessStats) -> RenderableType:
    """Connections and requests, admitted and refused."""
    made = grid()
    made.add_row("connections admitted", f"{stats.admitted:,}")
    made.add_row("connections refused", f"{sum(stats.refused.values()):,}")
    made.add_row("by reason", cell(joined(stats.refused)))
    made.add_row("requests forbidden", f"{stats.forbidden:,}")
    made.add_row("requests over a limit", f"{stats.limited:,}")
    return made


def findings(found: Sequence[Finding]) -> RenderableType:
    """One paragraph a finding, what is weak first."""
    if not found:
        return Text("nothing weak found", "green")
    made = table("", "where", "what")
    for one in sorted(found, key=lambda one: one.severity == "note"):
        made.add_row(state(one.severity), cell(one.where), cell(one.what))
    return made


def plain(text: str) -> RenderableType:
    """`text` as it is, line by line."""
    return Text(text.rstrip())


def _scopes(scopes: Scopes) -> str:
    named = {"nodes": scopes.nodes, "actions": scopes.actions, "collections": scopes.collections}
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in named.items() if names) or "everything"


def _end(key: KeyInfo) -> Text:
    if key.revoked_at is not None:
        return Text(f"revoked {ago(key.revoked_at)}", "dim")
    if key.expires_at is None:
        return Text("never")
    return Text(moment(key.expires_at), "red" if key.expires_at < time.time() else "")
