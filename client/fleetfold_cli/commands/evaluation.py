"""`fleetfold judge` and `fleetfold quality`: search evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TextIO

import msgspec
from cyclopts import App, Parameter

from fleetfold_cli.command_context import Injected
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Duration, Many, Option, Seconds
from fleetfold_cli.parsing.durations import duration_s
from fleetfold_cli.views import evaluation_view as views
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Judgement

__all__ = ["judge", "quality", "read_judgements"]

Target = Annotated[str, Parameter(help="The hit, as `fleetfold search` shows it: NODE/COLLECTION/ID.")]
DAY_S = 86_400

quality = App(name="quality", help="Measure search quality by judgements, clicks and empty answers.")


async def judge(
    query: Annotated[str | None, Parameter(help="The query, as it was searched.")] = None,
    target: Target | None = None,
    grade: Annotated[int | None, Parameter(help="0 is not relevant, 3 is exactly what is looked for.")] = None,
    /,
    *,
    from_: Annotated[
        str | None,
        Option(
            name="--from",
            allow_leading_hyphen=True,
            help="JSON lines with `query`, `node`, `collection`, `id` and `grade`; - is stdin.",
        ),
    ] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Judge how relevant a document is to a query, from 0 to 3; `fleetfold quality` reports from the judgements.

    A new judgement of the same document replaces the old one.
    """
    if from_ is not None and query is None:
        judgements = read_judgements(from_, terminal.stdin)
    elif from_ is None and query is not None and target is not None and grade is not None:
        judgements = [convert_to(_values(query, target) | {"grade": grade}, Judgement, "judgement")]
    else:
        raise InvalidInput("judge: give QUERY NODE/COLLECTION/ID GRADE, or --from FILE", field="query")
    async with await terminal.fleet(common) as fleet:
        stored = await fleet.evaluation.judge(judgements)
    terminal.show(common, stored, lambda: views.judged(stored))


@quality.default
async def report(
    *,
    node: Annotated[tuple[str, ...], Many(help="Only this node; may be given several times.")] = (),
    collection: Annotated[tuple[str, ...], Many(help="Only this collection; may be given several times.")] = (),
    limit: Annotated[int, Option(help="How many of the latest judged queries to run.", show_default=True)] = 200,
    since: Annotated[str, Duration(help="Clicks and empty answers within this time")] = "30d",
    timeout: Annotated[float, Seconds(help="How long the report may take.")] = 60,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Run the judged queries again, and show nDCG, recall, clicks, and how often nothing was found."""
    days = max(1, round(duration_s(since, "since") / DAY_S))
    async with await terminal.fleet(common) as fleet:
        found = await fleet.evaluation.report(
            nodes=node, collections=collection, limit=limit, days=days, timeout_s=timeout
        )
    terminal.show(common, found, lambda: views.report(found))


@quality.command
async def click(
    query: Annotated[str, Parameter(help="The query, as it was searched.")],
    target: Target,
    rank: Annotated[int, Parameter(help="The rank of the hit, from 1.")],
    /,
    *,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Record which hit was chosen; programs do it with `fleet.evaluation.click`."""
    hit = _values(query, target)
    async with await terminal.fleet(common) as fleet:
        stored = await fleet.evaluation.click(**hit, rank=rank)
    terminal.show(common, stored, lambda: "stored")


@quality.command
async def forget(
    query: Annotated[str, Parameter(help="The query; case and white space do not matter.")],
    /,
    *,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Delete the judgements and clicks of a query."""
    async with await terminal.fleet(common) as fleet:
        dropped = await fleet.evaluation.forget(query)
    terminal.show(common, dropped, lambda: views.forgotten(dropped))


def read_judgements(file: str, stdin: TextIO) -> list[Judgement]:
    """The judgements of `file`, or of `stdin` for `-`; `InvalidInput` names the line that is wrong."""
    try:
        text = stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{file}: cannot be read: {error.strerror}", field="from") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: not UTF-8: {error.reason}", field="from") from None
    found = [_judgement(line, f"{file}:{number}") for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not found:
        raise InvalidInput(f"{file}: there is nothing in it; write a JSON object a line", field="from")
    return found


def _judgement(line: str, where: str) -> Judgement:
    try:
        value = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{where}: not JSON: {error}", field="from") from None
    return convert_to(value, Judgement, where)


def _values(query: str, target: str) -> dict[str, str]:
    """Parse NODE/COLLECTION/ID; a document's id may contain slashes."""
    node, _, rest = target.partition("/")
    collection, _, identity = rest.partition("/")
    if not (node and collection and identity):
        raise InvalidInput(f"target: {target!r} is no hit; write NODE/COLLECTION/ID", field="target")
    return {"query": query, "node": node, "collection": collection, "id": identity}
