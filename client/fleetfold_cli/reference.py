"""The reference pages, made from the code. From the root of the project:

python -c "from fleetfold_cli.reference import write; write('docs/reference')"
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec

from fleetfold.backup import BackupEntry, RemovedBackups, RestoredBackup, VerifiedBackup
from fleetfold.backup.manifest import BackupStore
from fleetfold_cli.app import app
from fleetfold_cli.daemons.configuration_audit import Finding
from fleetfold_cli.examples import CALLS, EXAMPLES
from fleetfold_cli.exit_codes import CODES
from fleetfold_shared.config import ChildConfig, Config, Reading, variables
from fleetfold_shared.messages import (
    AccessStats,
    Answered,
    AuditEntry,
    CacheStats,
    CacheWarmed,
    DeadLetter,
    DeadLetterListed,
    DefinitionInfo,
    DefinitionRecord,
    DefinitionStored,
    Identity,
    Job,
    KeyCreated,
    KeyRevoked,
    MasterInfo,
    NodeAuditEntry,
    NodeInvited,
    NodeRecord,
    NodeRevoked,
    NodeStats,
    QualityJudged,
    QualityReport,
    ScheduleView,
    Searched,
    SigningRotated,
    TransactionView,
)
from fleetfold_shared.verbs import VERBS, Verb
from fleetfold_shared.verbs.verb import CLIENTS

__all__ = ["commands", "configuration", "output", "pages", "write"]

Document = tuple[str, str, tuple[type[msgspec.Struct], ...]]
"""Commands, what their JSON document is in words, and the messages in it."""

DOCUMENTS: tuple[Document, ...] = (
    ("search", "an answer", (Searched,)),
    ("cache stats", "statistics", (CacheStats,)),
    ("cache popular", "`queries`: a list of `query`, `count` and `asked_at`, the most frequent first", ()),
    ("cache warm", "how many", (CacheWarmed,)),
    ("cache clear", "`entries`: how many were forgotten", ()),
    ("judge", "what was stored", (QualityJudged,)),
    ("quality", "a report", (QualityReport,)),
    ("quality click", "`at`: when it was stored, in Unix seconds", ()),
    ("quality forget", "`judgements` and `clicks`: how many were dropped", ()),
    ("ask", "an answer in words", (Answered,)),
    ("run, jobs show, jobs cancel", "a job", (Job,)),
    ("jobs follow, run --follow", "a line at each change: a job", ()),
    (
        "run --from",
        "a line as each ends: `line`, `id`, `outcome` (its job's, `would run`, `refused`), `error`, `code`, `nodes`",
        (),
    ),
    ("jobs list", "`jobs`: a list of jobs, newest first", ()),
    ("tx run, tx show, tx cancel, tx retry, tx skip, tx resolve", "a transaction", (TransactionView,)),
    ("tx follow", "a line at each entry of the timeline: `entry`; at the end `transaction`", ()),
    ("tx list", "`transactions`: a list of transactions without their timelines, newest first", ()),
    ("definitions put", "what is stored now, or would be", (DefinitionStored,)),
    ("definitions list", "`definitions`: a list, by name", (DefinitionInfo,)),
    ("definitions show", "a definition", (DefinitionRecord,)),
    ("definitions remove", "`name`; `versions`: how many were removed", ()),
    ("schedules show, schedules pause, schedules resume, schedules fire", "a schedule", (ScheduleView,)),
    ("schedules list, schedules put", "`schedules`: a list of schedules", ()),
    ("schedules remove", "`name`: its name", ()),
    ("schedules next", "`timezone`; `times`: a list, in Unix seconds", ()),
    ("dead-letters show", "a dead letter", (DeadLetter,)),
    ("dead-letters list", "`dead_letters`: a list, the latest first", (DeadLetterListed,)),
    ("dead-letters retry, dead-letters drop", "`retried` or `dropped`: a list of `id`, `job` and `error`", ()),
    ("masters list", "`masters`: a list of masters, the longest there first", (MasterInfo,)),
    ("nodes show, nodes update", "a node", (NodeRecord,)),
    ("nodes list", "`nodes`: a list of nodes, by name", ()),
    ("nodes ping", "`ms`: milliseconds by node, null for one that did not answer", ()),
    ("nodes stats", "statistics", (NodeStats,)),
    ("nodes remove", "`node`: its name; `removed`: true", ()),
    ("nodes invite", "an invitation, with its join token", (NodeInvited,)),
    ("nodes approve", "a node", ()),
    ("nodes revoke", "what was ended", (NodeRevoked,)),
    ("keys create, keys rotate KEY", "a key, with its secret", (KeyCreated,)),
    ("keys list", "`keys`: a list of keys without their secrets", ()),
    ("keys rotate", "the signing keys", (SigningRotated,)),
    ("keys revoke", "what was ended", (KeyRevoked,)),
    ("keys webhook", "`secret`: text", ()),
    ("keys broker", "`config`: text; with `--output`, `file`: where it was written", ()),
    ("config check", "`findings`: a list of what is weak", (Finding,)),
    ("audit", "`entries`: a list, oldest first; with `--follow` an entry a line", (AuditEntry,)),
    ("node-audit", "`entries`: a list, oldest first", (NodeAuditEntry,)),
    ("audit --summary", "statistics", (AccessStats,)),
    ("whoami", "an identity", (Identity,)),
    (
        "backup create",
        "`id`, `parts`, `files`, `bytes`, `new_bytes`, `took_s`, `stores`, `left_out`, `removed`",
        (BackupStore, RemovedBackups),
    ),
    ("backup list", "`backups`: a list, the newest first", (BackupEntry,)),
    ("backup verify", "what was checked", (VerifiedBackup,)),
    ("backup restore", "what was done", (RestoredBackup,)),
    ("backup export", "the export; with a file, `file`, and the numbers of what is in it", ()),
    ("backup import", "`changes`: a list of `part`, `name`, `change`, `fields`, `reason`; `dry_run`", ()),
    ("version", "`version`: text", ()),
    ("--install-completion", "`shell`: which; `file`: where its script was written", ()),
    (
        "up, broker, master, child",
        "a line when it is ready: `ready`: the command; `url`, `pid`, `insecure`, and what it runs",
        (),
    ),
    (
        "any, when it fails",
        "one line: `error`: `code` (stable), `message` (one line), `field` (or null); `retry_after_s` if that will do",
        (),
    ),
)

SECTIONS = (
    "broker", "master", "search", "ask", "callbacks", "retention", "limits", "backup", "access", "tls", "log",
)  # fmt: skip
SECRETS = """\
They are never in the settings. Each of these variables holds one; with `_FILE` behind its name, the path of a file that
does, which is safer: other processes may see a variable."""
SECRET_VARIABLES = {
    "FLEETFOLD_API_KEY": "The API key that commands and clients show; else this machine's own, where the fleet runs.",
    "FLEETFOLD_JOIN": "The join token of a child that has no credentials yet.",
    "FLEETFOLD_BROKER_KEYS": "The masters' keys at the broker; else `broker.json` in the keys directory.",
    "FLEETFOLD_ASK_KEY": "The key of the model's endpoint in `[ask]`.",
    "FLEETFOLD_MASTER_DATABASE": "The URL of the master's database, with its password.",
    "FLEETFOLD_DATABASE_NAME": "The URL of a child's database `name` in `databases`, with its password.",
    "FLEETFOLD_BACKUP_PASSPHRASE": "What encrypts the secrets in backups; without it they are left out.",
    "FLEETFOLD_WEBHOOK_SECRET": "What signs webhooks; else `webhook.secret` in the keys directory.",
    "FLEETFOLD_SIGNING_KEYS": "What signs access tokens; else `signing.json` in the keys directory.",
}


def pages() -> dict[str, str]:
    """The pages by file name."""
    return {"cli.md": commands(), "configuration.md": configuration(), "output.md": output()}


def write(folder: str | Path) -> None:
    """Write the pages into `folder`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


def commands() -> str:
    """Every command with its options, as `--help` has them."""
    given, sys.argv = sys.argv, ["fleetfold"]  # cyclopts reads the program's name there, whoever runs it
    try:
        made = f"{app.generate_docs().strip()}\n"
        for name, calls in CALLS.items():
            made = made.replace(example := f"Example: `{EXAMPLES[name]}`\n", f"{example}\n{_calls(calls)}\n", 1)
        # the usage of `run` is our own, and is put behind the command's name
        made = made.replace("\nfleetfold run run ", "\nfleetfold run ")
        return made.replace("#fleetfold-install", "#fleetfold---install")  # an anchor keeps its heading's hyphens
    finally:
        sys.argv = given


def _calls(names: str) -> str:
    """The verbs, each with the roles that may call it."""
    return "\n".join((
        "**Requests** ([who may do what](access.md)):", "",
        *(f"* `{name}`: {', '.join(_role(*one) for one in _client_roles(VERBS[name]))}" for name in names.split()),
    ))  # fmt: skip


def _client_roles(verb: Verb[Any, Any]) -> list[tuple[str, str]]:
    return [(role, verb.roles[role]) for role in CLIENTS if role in verb.roles]


def _role(name: str, reach: str) -> str:
    return name if reach == "all" else f"{name} (own)"


def configuration() -> str:
    """Every key of the TOML file, its variable, its default and what it is for."""
    return "\n".join((*_configuration(), ""))


def output() -> str:
    """The exit codes, and the JSON document of every command."""
    return "\n".join((*_output(), ""))


def _configuration() -> Iterator[str]:
    yield "# Configuration"
    yield ""
    yield (
        "Daemons read a TOML file (`--config FILE`, or `$FLEETFOLD_CONFIG`), then `FLEETFOLD_*` variables, then their "
        "options: the later ones win. Paths in the file are relative to its folder. An unknown key is refused. In a "
        "variable, commas stand between the parts of a list."
    )
    known = {key: name for name, key in variables()}
    hints = typing.get_type_hints(Config, include_extras=True)
    yield from _section("", Config, known)
    for name in SECTIONS:
        yield from _section(name, hints[name], known)
    yield from _section("[children]", ChildConfig, known)
    yield from _section("reading", Reading, known)
    yield from ("", "## Secrets", "", SECRETS, "", "| variable | |", "| --- | --- |")
    yield from (f"| `{name}` | {about} |" for name, about in SECRET_VARIABLES.items())


def _section(name: str, kind: type[msgspec.Struct], known: dict[str, str]) -> Iterator[str]:
    yield from ("", f"## `[{name}]`" if name else "## At the top", "", kind.__doc__ or "", "")
    yield from ("| key | type | default | variable | |", "| --- | --- | --- | --- | --- |")
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        about = _description(hints[field.name])
        if about:
            variable = known.get(f"{name}.{field.name}" if name else field.name)
            cells = (f"`{field.name}`", _words(hints[field.name]), _default(field), f"`{variable}`" if variable else "")
            yield f"| {' | '.join(cells)} | {about} |"


def _output() -> Iterator[str]:
    yield from ("# Output", "", "## Exit codes", "", "| code | |", "| --- | --- |")
    yield from (f"| {code} | {about} |" for code, about in CODES.items())
    yield from ("", "## JSON", "", "With `--json` a command prints one document. Every field is always present.", "")
    yield from ("| command | document |", "| --- | --- |")
    documents = _documents()
    for command, about, _ in documents:
        yield f"| {command} | {about} |"
    seen: dict[str, type[msgspec.Struct]] = {}
    for _, _, kinds in documents:
        for kind in kinds:
            _collect(kind, seen)
    for name, kind in seen.items():
        yield from _fields(name, kind)


def _documents() -> list[Document]:
    """The documents of all commands; one that has no row of its own prints the reply to its verb."""
    described = {name.strip() for names, _, _ in DOCUMENTS for name in names.split(",")}
    replies = {name: VERBS[calls].gives for name, calls in CALLS.items() if name not in described and calls in VERBS}
    return [*DOCUMENTS, *((name, _sentence(gives), (gives,)) for name, gives in replies.items())]


def _sentence(kind: type[msgspec.Struct]) -> str:
    """The first sentence of a message's description, as it stands in the middle of a line."""
    first = " ".join((kind.__doc__ or "").split()).partition(". ")[0].rstrip(".")
    return f"{first[:1].lower()}{first[1:]}"


def _fields(name: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    yield from ("", f"### {name}", "", " ".join((kind.__doc__ or "").split()), "", "| field | type |", "| --- | --- |")
    for field, hint in typing.get_type_hints(kind, include_extras=True).items():
        if field in kind.__struct_fields__ and field != "v":
            yield f"| `{field}` | {_words(hint)} |"


def _collect(hint: Any, seen: dict[str, type[msgspec.Struct]]) -> None:
    """All Structs within `hint`, in the order they are met."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if hint.__name__ not in seen:
            seen[hint.__name__] = hint
            for inner in typing.get_type_hints(hint).values():
                _collect(inner, seen)
    else:
        for inner in get_args(hint):
            _collect(inner, seen)


def _words(hint: Any) -> str:
    """A type as readers of TOML and JSON call it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _words(inner[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is list:
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return f"{_words(inner[1])} by name" if inner[1] is not Any else "object"
    if inner:
        return " or ".join(_words(one) for one in inner if one is not msgspec.UnsetType)
    names = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null", Any: "any"}
    return names.get(hint) or f"[{hint.__name__}](#{hint.__name__.lower()})"


def _description(hint: Any) -> str | None:
    metas = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((meta.description for meta in metas if isinstance(meta, msgspec.Meta) and meta.description), None)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is msgspec.UNSET:
        return "absent"
    return "" if value is None else f"`{msgspec.json.encode(value).decode()}`"
