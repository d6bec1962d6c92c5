"""Writes the reference pages beside it, from the code: `make docs`, or `python docs/reference/make.py`."""

from __future__ import annotations

import ast
import inspect
import itertools
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, NoneType
from typing import Annotated, Any, get_args, get_origin

import msgspec

from fleetfold_broker.jetstream import topology
from fleetfold_broker.rpc import headers
from fleetfold_broker.subjects import Subjects
from fleetfold_cli import reference as commands
from fleetfold_master.access import access_reference as who_may_what
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import ErrorBody, FleetfoldError
from fleetfold_shared.messages import (
    PROTOCOL,
    Message,
    access_messages,
    answering,
    batches,
    cache_messages,
    command_control,
    dead_letters,
    definitions,
    evaluation,
    events,
    explanation,
    ledgers,
    masters,
    node_audit,
    nodes,
    schedules,
    search,
    search_criteria,
    statistics_messages,
    transactions,
)
from fleetfold_shared.messages import commands as jobs
from fleetfold_shared.verbs import JOIN_VERBS, NODE_VERBS, VERBS, Verb

AREAS: Mapping[str, ModuleType] = {
    "About nodes": nodes, "About a node's own audit": node_audit, "About ledgers": ledgers, "About searches": search,
    "About the fields of documents": search_criteria,
    "About explanations": explanation, "About questions": answering, "About quality": evaluation,
    "About statistics": statistics_messages,
    "About cached answers": cache_messages, "About commands and jobs": jobs, "About many runs at once": batches,
    "About long work": command_control, "About transactions": transactions, "About definitions": definitions,
    "About schedules": schedules, "About dead letters": dead_letters, "About masters": masters, "About events": events,
    "About access": access_messages,
}  # fmt: skip
LIMITS = {
    "gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}", "pattern": "`{}`",
    "min_length": "at least {} long", "max_length": "at most {} long",
}  # fmt: skip
NANO = 1_000_000_000

INTRODUCTION = """\
# The bus

What travels between callers, the master and the nodes: subjects, streams, headers, messages, errors. For who wants to
speak it from another language; Python programs have `fleetfold.Client`. This page is made from the code.

A message is one JSON object in UTF-8, at most 1 MB. `v` is the protocol's number, {protocol}, and is left out when it
is that; so is every field that holds its default, except where a message says so. Fields that are not known are
ignored. A message of a higher `v` is refused.

The first token of every subject is the fleet's prefix, `fleet` unless set otherwise. A node's name and a caller's are
1 to 63 of a-z, 0-9 and `-`. Whoever publishes stands in the subject.
"""

REQUESTS = """\
A request carries `{deadline}`. The reply goes to the caller's own inbox, which must begin with `_INBOX.<caller>.`: a
request with any other reply subject is not answered. A request past its deadline is dropped. All masters answer in the
queue group `masters`.

A request that carries `{parts}` may be answered in parts: messages in order with `{part}`, and at the end the reply
itself with `{last_part}`. The parts of an answer in words are [AnswerPart](#answerpart). Hear them on a subject of your
inbox of their own, and unsubscribe when you want no more: the master ends its work when nobody listens there. It says
an empty part every second while it has nothing to say. Without the header, the reply comes alone.

A request that was not answered may be sent again if it is `safe`, which changes nothing, or `idempotent`: sent several
times, it has the effect of one.
"""

NODE_REQUESTS = """\
One node is asked on `fleet.call.<node>.<verb>`; all of them at once on `fleet.ask.<verb>`. A question that carries
`{gather}` is answered on `fleet.gather.<requester>.<node>`, with the `{correlation}` of the question.

Each of them, and each command, carries `{seal}`. A node checks it with the keys that it was given in the answer to
`nodes.join` ([SealKeys](#sealkeys)), and refuses what has no good one; a node without keys takes everything. A seal is
the first 16 bytes of an HMAC-SHA-256 in hex, on `ask` an ed25519 signature in base64url. It is over the subject (of a
command `fleet.cmd.<node>`), the values of `{gather}`, `{correlation}` and `{deadline}`, each followed by a newline and
empty where it is absent, and then the body.
"""

STREAMS = """\
All are kept in files, and made again by the master when they are missing.

Each node has a durable push consumer on `{commands}`, of the node's own name. It delivers to `fleet.deliver.<node>` in
the queue group `<node>`, with explicit acks, {ack_wait} s to ack, no limit of deliveries, and twice the node's
concurrency in flight. A node answers a delivery with `+WPI` while it works, then `+ACK`; `+TERM` when it cannot be
read, or no master has sealed it. Copies of a command that it works at, which a master sends while it has no answer, are
acked at once. Masters read `{results}` through the durable consumer `{masters}`, and so `{abandoned}`: what the broker
says of commands that a node has answered with `+TERM`, which is followed by the command's id, or `-`, and by what is
wrong with it.

On `{events}` masters store callbacks, under the name of the caller that asked for them, and alerts under `master`. The
header `{message_id}` is the delivery's id, the same when it comes twice. What is stored is then said on
`fleet.notify.<caller>.<type>`, for who listens at that moment.

The message id of a command is `<id>#<attempt>`, so that the broker stores a deliberate re-send.
"""

ERRORS = """\
An error is a reply with the headers `{error}` (the message) and `{error_code}` (the status), as
[ADR-32](https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md) has it, and the body
`{{"code", "message", "field", "retry_after_s"}}`. `code` is stable; `field` names the offending input, where there is
one; `retry_after_s` says when to try again what is refused only for now.
"""


def pages() -> dict[str, str]:
    """Every page of this folder by file name."""
    return {**commands.pages(), "bus.md": bus(), "access.md": who_may_what.page()}


def bus() -> str:
    """The page of the bus."""
    return "\n".join(itertools.chain(_subjects(), _requests(), _streams(), _headers(), _errors(), _messages())) + "\n"


def _subjects() -> Iterator[str]:
    yield INTRODUCTION.format(protocol=PROTOCOL)
    yield from ("## Subjects", "", "| subject | |", "| --- | --- |")
    for name, method in inspect.getmembers(Subjects, inspect.isfunction):
        if name == "token":
            continue
        given = {parameter: f"<{parameter}>" for parameter in list(inspect.signature(method).parameters)[1:]}
        yield f"| `{method(Subjects(), **given)}` | {_doc(method)} |"


def _requests() -> Iterator[str]:
    yield from ("", "## Requests to the master", "", REQUESTS.format(**_names()))
    yield from ("| verb | takes | answers | parts | repeated |", "| --- | --- | --- | --- | --- |")
    for name, verb in VERBS.items():
        repeated = "safe" if verb.safe else "idempotent" if verb.idempotent else ""
        columns = (f"`fleet.api.<caller>.{name}`", _link(verb.takes), _link(verb.gives), _parts(verb), repeated)
        yield f"| {' | '.join(columns)} |"
    yield from ("", "[Who may ask for what](access.md). One that is not yet a member asks for its credentials:", "")
    yield from ("| verb | takes | answers | |", "| --- | --- | --- | --- |")
    for name, join in JOIN_VERBS.items():
        yield f"| `fleet.join.<node>.{name}` | {_link(join.takes)} | {_link(join.gives)} | {join.about} |"
    yield from (
        "",
        "## Requests to a node",
        "",
        NODE_REQUESTS.format(
            gather=headers.GATHER, correlation=headers.CORRELATION, seal=headers.SEAL, deadline=headers.DEADLINE
        ),
    )
    yield from ("| verb | takes | answers | |", "| --- | --- | --- | --- |")
    for verb in NODE_VERBS.values():
        both = ", ".join(filter(None, (verb.broadcast and "broadcast too", verb.needs and f"needs `{verb.needs}`")))
        about = f"{verb.about[:-1]} ({both})." if both else verb.about
        yield f"| `{verb.name}` | {_link(verb.takes)} | {_link(verb.gives)} | {about} |"


def _names() -> dict[str, str]:
    return {"deadline": headers.DEADLINE, "parts": headers.PARTS, "part": headers.PART, "last_part": headers.LAST_PART}


def _parts(verb: Verb[Any, Any]) -> str:
    return "" if verb.streams is None else _link(verb.streams)


def _streams() -> Iterator[str]:
    yield from ("", "## Streams", "")
    yield STREAMS.format(
        commands=topology.COMMANDS, results=topology.RESULTS, events=topology.EVENTS, masters=topology.MASTERS,
        abandoned=topology.ABANDONED, ack_wait=topology.ACK_WAIT_S, message_id=headers.MESSAGE_ID,
    )  # fmt: skip
    yield from ("| stream | subjects | retention | |", "| --- | --- | --- | --- |")
    for name, config in topology.streams(Subjects(), LimitsConfig()).items():
        rest = {key: value for key, value in config.items() if key not in {"subjects", "retention"}}
        subjects = ", ".join(f"`{subject}`" for subject in config["subjects"])
        yield f"| `{name}` | {subjects} | {config['retention']} | {', '.join(map(_setting, rest.items()))} |"


def _setting(item: tuple[str, Any]) -> str:
    name, value = item
    return f"{name} {value // NANO:,} s" if name in {"max_age", "duplicate_window"} else f"{name} {value}"


def _headers() -> Iterator[str]:
    yield from ("", "## Headers", "", "| header | |", "| --- | --- |")
    for one, following in itertools.pairwise(ast.parse(inspect.getsource(headers)).body):
        if isinstance(one, ast.Assign) and isinstance(following, ast.Expr):
            yield f"| `{ast.literal_eval(one.value)}` | {ast.literal_eval(following.value)} |"


def _errors() -> Iterator[str]:
    yield from ("", "## Errors", "", ERRORS.format(error=headers.ERROR, error_code=headers.ERROR_CODE))
    yield from ("| code | status | exit code | |", "| --- | --- | --- | --- |")
    for kind in FleetfoldError.__subclasses__():
        yield f"| `{kind.code}` | {kind.status} | {kind.exit_code} | {_doc(kind)} |"
    yield from _message(ErrorBody)


def _messages() -> Iterator[str]:
    yield from ("", "## Messages")
    for area, module in AREAS.items():
        yield from ("", f"### {area}", "", _sentence(module.__doc__ or ""))
        for kind in _structs(module):
            yield from _message(kind)


def _structs(module: ModuleType) -> Iterable[type[msgspec.Struct]]:
    """The module's Structs in the order they are written."""
    return (
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
    )  # fmt: skip


def _message(kind: type[msgspec.Struct]) -> Iterator[str]:
    about = [_doc(kind)] if kind.__doc__ else []
    if kind.__struct_config__.array_like:
        about.append("An array of these, in this order.")
    elif not kind.__struct_config__.omit_defaults:
        about.append("Every field is always present.")
    yield from ("", f"#### {kind.__name__}", *(("", " ".join(about)) if about else ()))
    fields = [field for field in msgspec.structs.fields(kind) if field.name != "v"]
    if not fields:
        yield from ("", "It has no fields.")
        return
    yield from ("", "| field | type | default | |", "| --- | --- | --- | --- |")
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in fields:
        yield f"| `{field.name}` | {_type(hints[field.name])} | {_default(field)} | {_limits(hints[field.name])} |"


def _type(hint: Any) -> str:
    if get_origin(hint) is tuple:  # of any length: to JSON it is a list
        hint = list[get_args(hint)[0]]  # type: ignore[misc]  # a type that is made here
    return commands._words(hint).replace("[bytes](#bytes)", "base64 text")  # noqa: SLF001 (one wording for all pages)


def _default(field: msgspec.structs.FieldInfo) -> str:
    return commands._default(field) or "`null`"  # noqa: SLF001 (one wording for all pages)


def _limits(hint: Any) -> str:
    """What bounds a value, its alternatives and members included."""
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        said = [
            text.format(value)
            for meta in metas if isinstance(meta, msgspec.Meta)
            for name, text in LIMITS.items() if (value := getattr(meta, name)) is not None
        ]  # fmt: skip
        return ", ".join(filter(None, [*said, _limits(inner)]))
    return ", ".join(filter(None, map(_limits, get_args(hint))))


def _link(kind: type[Message | None] | None) -> str:
    return f"[{kind.__name__}](#{kind.__name__.lower()})" if kind not in {None, NoneType} else "nothing"


def _doc(thing: Any) -> str:
    return _sentence(inspect.getdoc(thing) or "")


def _sentence(text: str) -> str:
    """On one line, its first letter large."""
    flat = " ".join(text.split())
    return flat[:1].upper() + flat[1:]


if __name__ == "__main__":
    for name, text in pages().items():
        Path(__file__).with_name(name).write_text(text, encoding="utf-8")
