"""The reference page of roles and permissions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from fleetfold_broker.rpc.headers import LIMIT, REMAINING, RETRY_AFTER
from fleetfold_shared.config import AccessConfig
from fleetfold_shared.verbs import ROLES, VERBS

__all__ = ["page"]

INTRODUCTION = """\
# Who may do what

The master checks every request on `fleet.api.<caller>.<verb>`: who the caller is, how often it asks, whether its role
has the verb, and whether what it names is in its scope. The broker has refused before that whoever is not the caller
that stands in the subject. This page is made from the code.

## Roles

An API key has one of the roles reader, publisher, operator and admin; a node has the role child. `own` is what the
identity has started itself, or is. Masters may do everything. With `--insecure` everybody may.
"""

SCOPES = """\
## Scopes

An API key may be narrowed to nodes, actions and collections, by names or patterns with `*`. An empty list is
everything.

- What is named outside of the scope is refused with `forbidden`, which names the field.
- What is not named is narrowed: a search of everybody, a run on all nodes, a ping and every list.
- A job or a transaction is shown when all its nodes are in the scope.
- A transaction needs every step's node and action in the scope, and its rollback's action.
- The scope of collections holds for searches, and for the actions every node has: `index`, `delete`, `update` and
  `sync`. What an application's own action works on is the application's to know: narrow the actions.
- With a scope of nodes the audit log is read node by node.
- Service discovery (`nats micro ls`) is for operators and admins. It shows the masters, and the nodes in the scope;
  each look counts as a request.
- Nobody makes, replaces or ends a key that may do more than its own. Signing keys are changed by admins without scopes.
"""

EVENTS = """\
## Events

The masters store a callback's event under the name of the caller that asked for it, `fleet.evt.<caller>.<type>`, and
then say it on `fleet.notify.<caller>.<type>`. A publisher, an operator and an admin may hear
`fleet.notify.<its name>.>`; operators and admins also hear the masters' alerts, `fleet.notify.master.>`. Nobody hears
what another is told.
"""

LIMITS = """\
## Limits

Requests a minute of one identity; as many may come at once. Joins count as well. Set them in
[the configuration](configuration.md).
"""

HEADERS = f"""\
A limited caller finds in every answer, and in every error, `{LIMIT}` (requests a minute) and `{REMAINING}`
(how many at once). Over the limit it gets the error `rate_limited`, with `{RETRY_AFTER}` in seconds.
"""


def page() -> str:
    """The page in Markdown."""
    return "\n".join(itertools.chain([INTRODUCTION], _roles(), ["", SCOPES, EVENTS, LIMITS], _limits(), ["", HEADERS]))


def _roles() -> Iterator[str]:
    roles = [role for role in ROLES if role != "master"]
    yield from (f"| verb | | {' | '.join(roles)} |", f"| --- | --- |{' --- |' * len(roles)}")
    for name, verb in VERBS.items():
        marks = ({"all": "yes", "own": "own", None: ""}[verb.roles.get(role)] for role in roles)
        yield f"| `{name}` | {verb.about} | {' | '.join(marks)} |"


def _limits() -> Iterator[str]:
    config = AccessConfig()
    yield from ("| role | requests a minute |", "| --- | --- |")
    for role in ROLES:
        yield f"| {role} | {getattr(config, f'{role}_per_minute', 0) or 'no limit'} |"
