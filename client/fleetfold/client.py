"""`Client`: a caller of the fleet, for any program that searches it or runs actions on its nodes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Literal, overload

from msgspec.structs import replace

from fleetfold.answer_stream import AnswerStream, answer_parts
from fleetfold.batch_submission import PATIENCE_S, WINDOW, Submission, SubmitOutcome
from fleetfold.caller import limit_s
from fleetfold.client_connection import ClientConnection
from fleetfold.logging import configure_library
from fleetfold.name_lists import Names, SearchedNodes, listed, which
from fleetfold.resources.jobs import JobHandle
from fleetfold.resources.transactions import TransactionHandle
from fleetfold.run_request import Rollout, RunOptions, Targets, run_request
from fleetfold.search_request import SearchOptions, search_request
from fleetfold.time_limit import milliseconds
from fleetfold.transact_request import Steps, transact_request
from fleetfold_shared import verbs
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import (
    AnswerQuestion,
    Callback,
    Filter,
    Job,
    Run,
    Searched,
    Sort,
    TransactionView,
)  # fmt: skip

__all__ = ["Client"]

configure_library()


class Client(ClientConnection):
    """A caller of the fleet: `async with Client.connect() as fleet: await fleet.search("tent")`.

    Searches, questions, runs and transactions are its own methods; what concerns one kind of thing is an attribute:
    `fleet.nodes`, `jobs`, `transactions`, `schedules`, `dead_letters`, `definitions`, `cache`, `evaluation`, `keys`,
    `access`, `masters`, `audit` and `events`.

    All methods raise `fleetfold.errors.FleetfoldError`: `InvalidInput` and `NotFound` for the caller's mistakes,
    `Unavailable` when no broker or master answers, `DeadlineExceeded` when time is over, `Forbidden` when the identity
    may not, `RateLimited` with `retry_after_s` when it asks too often.
    """

    async def search(
        self,
        query: str,
        *,
        limit: int = 10,
        nodes: SearchedNodes = "all",
        collections: Names = (),
        filter: Filter | None = None,
        sort: Sort | Sequence[Sort] = (),
        timeout_s: float = 2.0,
        options: SearchOptions | None = None,
    ) -> Searched:
        """Find the best `limit` (1-100) hits of the whole fleet, or of the `nodes` and `collections` named.

        `nodes="auto"` asks those that are likely to have what is looked for. `sort` are up to 3 keys that order the
        hits before their score does; such a search has one page.

        There are fewer hits, and a `cursor`, where more do not fit into one answer; of a hit that is too large alone,
        `cut` names the values that were shortened. `notes` report what is odd about a field: that no document has it,
        or values of another type than it is compared with. `cached` says that the answer was cached, `age_s` for how
        long.
        """
        request = search_request(
            query, limit=limit, nodes=nodes, collections=collections, filter=filter, sort=sort, timeout_s=timeout_s,
            options=options,
        )  # fmt: skip
        return await self._caller.ask(verbs.search.QUERY, request, limit_s(timeout_s))

    async def search_pages(
        self,
        query: str,
        *,
        limit: int = 10,
        nodes: SearchedNodes = "all",
        collections: Names = (),
        filter: Filter | None = None,
        timeout_s: float = 2.0,
        options: SearchOptions | None = None,
    ) -> AsyncIterator[Searched]:
        """Yield all hits, best first, in pages of `limit`, each requested when it is wanted; from `options.cursor` on.

        No hit comes twice and none is left out, unless its document changed meanwhile (`changed`) or its node was
        missing from a page (`partial`).
        """
        more = options or SearchOptions()
        while True:
            page = await self.search(
                query, limit=limit, nodes=nodes, collections=collections, filter=filter, timeout_s=timeout_s,
                options=more,
            )  # fmt: skip
            yield page
            if page.cursor is None:
                return
            more = replace(more, cursor=page.cursor)

    def ask(
        self,
        question: str,
        *,
        nodes: SearchedNodes = "all",
        collections: Names = (),
        limit: int = 6,
        budget: int | None = None,
        model: str | None = None,
        by: str | None = None,
        timeout_s: float = 60.0,
    ) -> AnswerStream:
        """Answer a question from the documents of the fleet, or of the `nodes` and `collections` named.

        `limit` (1-20) documents are read, as much of them as fits into `budget` tokens. The master's model writes the
        answer, or another `model` that it offers; with `model="none"`, and where there is none, it consists of the
        documents' own sentences. `by` names a node that answers questions itself; so does a node that is asked alone.

        `kind` of the answer is `generated`, `extractive` or, when the fleet does not know, `none`. Nothing is sent
        before the first part, or the answer, is awaited; errors are raised then.
        """
        chosen, among = which(nodes)
        request = AnswerQuestion(
            question=question, nodes=chosen, among=among, collections=listed(collections, "collections"), limit=limit,
            budget=budget, model=model, by=by, timeout_ms=milliseconds(timeout_s),
        )  # fmt: skip
        return AnswerStream(answer_parts(self._caller, request, limit_s(timeout_s)))

    @overload
    async def run(
        self, action: str, params: Mapping[str, Any] | None = None, *, nodes: Names | Targets = (),
        timeout_s: float = 60.0, id: str | None = None, detach: Literal[False] = False, rollout: Rollout | None = None,
        options: RunOptions | None = None,
    ) -> Job: ...  # fmt: skip

    @overload
    async def run(
        self, action: str, params: Mapping[str, Any] | None = None, *, nodes: Names | Targets = (),
        timeout_s: float = 60.0, id: str | None = None, detach: Literal[True], rollout: Rollout | None = None,
        options: RunOptions | None = None,
    ) -> JobHandle: ...  # fmt: skip

    async def run(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        nodes: Names | Targets = (),
        timeout_s: float = 60.0,
        id: str | None = None,
        detach: bool = False,
        rollout: Rollout | None = None,
        options: RunOptions | None = None,
    ) -> Job | JobHandle:
        """Run `action` on `nodes`: a name, several, `"all"`, or `Targets(...)`. Returns the job when it has ended.

        With `detach=True` it returns a `JobHandle` as soon as a master has stored the job. `rollout` runs it on so many
        nodes at a time; without it all run it at once. `timeout_s` bounds one attempt on a node; `options` has the
        other limits, retries and the callback.

        The same `id` is the same job, so a call may be repeated. It is a durable command: a master that dies meanwhile
        is waited for.
        """
        request = run_request(action, params, nodes=nodes, timeout_s=timeout_s, id=id, rollout=rollout, options=options)
        if detach:
            return self.jobs.handle((await self.jobs.start(request)).id)
        return await self.jobs.run(request)

    def submit(
        self,
        runs: Iterable[Run] | AsyncIterable[Run],
        *,
        window: int = WINDOW,
        wait: bool = True,
        patience_s: float = PATIENCE_S,
    ) -> AsyncGenerator[SubmitOutcome, None]:
        """Run thousands of `Run` messages, hundreds in a request; yields the outcome of each, in the order of their
        ends.

            async for outcome in fleet.submit(Run(id=f"b7-{n}", action="ship", nodes=["shop"]) for n in range(9000)):
                print(outcome.id, outcome.state)

        At most `window` runs are in progress, and no more are taken from `runs` meanwhile. Each is a job of its own id:
        one that was done before under that id is not done again, so an interrupted batch is resumed by submitting it
        again. Absent masters and full queues are waited for, at most `patience_s`: then the outcome of a run is the
        error, or the batch fails when no master answers. With `wait=False` the outcome is that the run was accepted.
        """
        return Submission(self._caller.ask, window, patience_s, wait=wait).outcomes(runs)

    @overload
    async def transact(
        self, steps: Steps, *, name: str = "", inputs: Mapping[str, Any] | None = None, timeout_s: float = 300.0,
        id: str | None = None, detach: Literal[False] = False, within_s: float | None = None,
        callback: Callback | None = None,
    ) -> TransactionView: ...  # fmt: skip

    @overload
    async def transact(
        self, steps: Steps, *, name: str = "", inputs: Mapping[str, Any] | None = None, timeout_s: float = 300.0,
        id: str | None = None, detach: Literal[True], within_s: float | None = None, callback: Callback | None = None,
    ) -> TransactionHandle: ...  # fmt: skip

    async def transact(
        self,
        steps: Steps,
        *,
        name: str = "",
        inputs: Mapping[str, Any] | None = None,
        timeout_s: float = 300.0,
        id: str | None = None,
        detach: bool = False,
        within_s: float | None = None,
        callback: Callback | None = None,
    ) -> TransactionView | TransactionHandle:
        """Run `steps` all or nothing. Returns the transaction when it has ended or is parked.

        With `detach=True` it returns a `TransactionHandle` as soon as a master has stored the transaction. `steps` may
        be a `Transaction`, or the name of a definition, `order` or `order@2`; `inputs` are for either. The same `id` is
        the same transaction, so a call may be repeated. `timeout_s` bounds the waiting; a transaction that has not
        ended `within_s` is rolled back. `callback` is notified when it is committed, rolled back or parked.
        """
        request = transact_request(steps, inputs, id=id or new_id(), name=name, timeout_s=within_s, callback=callback)
        if detach:
            return self.transactions.handle((await self.transactions.start(request, timeout_s)).id)
        return await self.transactions.run(request, timeout_s)
