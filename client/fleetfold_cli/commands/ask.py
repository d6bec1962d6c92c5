"""`fleetfold ask`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from fleetfold_cli.command_context import Injected, Terminal
from fleetfold_cli.error_exit import OK, PARTLY
from fleetfold_cli.parsing.assignments import searched_nodes
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Flag, Many, Option, Seconds
from fleetfold_cli.views import answer_sources_view as views
from fleetfold_cli.views.text import clean
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import Answered, AnswerPart

__all__ = ["ask"]

NOT_KNOWN = NotFound.exit_code


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Whose documents are read."""

    node: Annotated[tuple[str, ...], Many(help="Read this node's documents only; may be given several times.")] = ()
    collection: Annotated[tuple[str, ...], Many(help="Read this collection only; may be given several times.")] = ()
    auto: Annotated[
        bool, Flag(help="Search only the nodes that are likely to know; with --node, only those among them.")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How the answer is made."""

    limit: Annotated[int, Option(help="How many documents are read, 1 to 20.", show_default=True)] = 6
    budget: Annotated[int | None, Option(help="How much of them is read, in tokens of 4 characters.")] = None
    model: Annotated[
        str | None, Option(help="The model that writes the answer, of those the master offers; none: no model.")
    ] = None
    by: Annotated[str | None, Option(help="The node that answers, if it answers questions itself.")] = None
    timeout: Annotated[float, Seconds(help="How long an answer may take.")] = 60.0


SOURCES, ANSWER = SourceOptions(), AnswerOptions()


async def ask(
    question: Annotated[str, Parameter(help="What you want to know, in your own words.")],
    /,
    *,
    sources: SourceOptions = SOURCES,
    answer: AnswerOptions = ANSWER,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Answer a question from what the documents of all applications say.

    Prints the answer as it is written, then the sources it cites as [n].

    Without a model it consists of the documents' own sentences, and says so.

    Exit code 2 when the documents do not answer it, 3 when a node that was asked is missing.
    """
    async with await terminal.fleet(common) as fleet:
        asking = fleet.ask(
            question, nodes=searched_nodes(sources.node, auto=sources.auto), collections=sources.collection,
            limit=answer.limit, budget=answer.budget, model=answer.model, by=answer.by, timeout_s=answer.timeout,
        )  # fmt: skip
        if not common.json:
            async for part in asking:
                _say(terminal, part)
        answered = asking.answered or await asking.answer()
    if not common.json:
        print("\n", file=terminal.out)
    terminal.show(common, answered, lambda: views.sources(answered))
    return _code(answered)


def _say(terminal: Terminal, part: AnswerPart) -> None:
    """Print a part of the answer; a line marks what was withdrawn."""
    if part.again:
        print("\n\n-- taken back --\n", file=terminal.out)
    print(clean(part.text), end="", file=terminal.out, flush=True)


def _code(answered: Answered) -> int:
    if answered.kind == "none":
        return NOT_KNOWN
    return PARTLY if answered.partial else OK
