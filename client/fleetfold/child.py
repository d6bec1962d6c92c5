"""`Child`: a node in a dozen lines.

child = Child("shop")
child.collection("products", source="products.jsonl")
child.add(reserve_stock)
child.run()
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import structlog
from msgspec.structs import asdict

from fleetfold.child_options import ChildOptions
from fleetfold.child_program import run_alone
from fleetfold.hosted_collections import HostedCollections
from fleetfold.logging import configure_library
from fleetfold.name_lists import Names, listed
from fleetfold.self_invitation import LocalInvitation
from fleetfold.source_readings import Source
from fleetfold.state_directory import find_url, state_directory
from fleetfold.tls import find_tls
from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.info_probe import wait_for_greeting
from fleetfold_broker.data_version import stamp_version
from fleetfold_broker.secret_file import from_environment
from fleetfold_broker.subjects import Subjects
from fleetfold_child.app_database.databases import Databases, with_secrets
from fleetfold_child.commands.actions import Action, Actions
from fleetfold_child.commands.builtin_actions import builtin_actions
from fleetfold_child.data_lock import DataLock
from fleetfold_child.enrolment.credential_store import CredentialStore
from fleetfold_child.enrolment.enrolment_client import BusEnrolmentClient, requests_over
from fleetfold_child.enrolment.login import check_join_token, log_in
from fleetfold_child.enrolment.renewal import CredentialRenewal
from fleetfold_child.ledger.ledger import Ledger, check_retention
from fleetfold_child.ledger.lost_database import open_ledger
from fleetfold_child.ledger.node_database import Database
from fleetfold_child.node.answerer import Answerer, check_answerer
from fleetfold_child.node.application import Application, NodeOptions
from fleetfold_child.node.node import Node
from fleetfold_shared import __version__
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.config import Reading
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import Conflict
from fleetfold_shared.ids import check_node_name, new_id
from fleetfold_shared.messages import CAPABILITIES, Capability, CollectionInfo, NodeDescription
from fleetfold_shared.redaction import Redactor
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.urls import redacted_url
from fleetfold_shared.values import check_value

__all__ = ["Child"]

configure_library()

log = structlog.get_logger(__name__)

INVITE_WHOLE = "these are offered to nobody; to offer them, invite the node again without --only"

Prepare = Callable[[Database], Awaitable[None]]


class Child:
    """A node of the fleet, fronting one application. Declare, then `run()`; or `await start()` and `await stop()`.

    `url` is the broker's; without it the fleet that `fleetfold up` started on this machine is found. `data` is the
    folder of documents and ledger, for one process at a time; by default a folder of the child's name in the state
    directory. Its credentials are stored there too: the first start gets them with `join`, a join token, or that of
    `$FLEETFOLD_JOIN` or `$FLEETFOLD_JOIN_FILE`; where the fleet runs on this machine, none is needed.

    `databases` are the application's own, a URL by name, for actions with `database=`; `$FLEETFOLD_DATABASE_NAME` or
    `$FLEETFOLD_DATABASE_NAME_FILE` overrides the URL given here, so that a password need not be in code.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str | None = None,
        data: str | Path | None = None,
        type: str = "app",
        labels: Mapping[str, str] | None = None,
        join: str | None = None,
        databases: Mapping[str, str] | None = None,
        options: ChildOptions | None = None,
    ) -> None:
        chosen = self._options = options or ChildOptions()
        self.name = check_node_name(name, "name")
        check_value({"type": type, "labels": dict(labels or {})}, "child")
        self._url, self._join_token = url, join
        self.data = Path(data) if data else state_directory() / "children" / name
        self._describing = NodeDescription(
            incarnation=new_id(), version=__version__, type=type, labels=dict(labels or {}), weight=chosen.weight,
            concurrency=chosen.concurrency, analyzer=ANALYZER, embedder=chosen.embedder,
        )  # fmt: skip
        self._holdings = HostedCollections()
        self._actions = Actions()
        self._prepare: list[Prepare] = []
        self._answerer: Answerer | None = None
        self._database_urls, self._retention_s = dict(databases or {}), check_retention(chosen.ledger_days)
        self._redact = Redactor(listed(chosen.redact, "redact"))
        self._open = AsyncExitStack()
        self._collections = self._holdings.collections
        self._node: Node | None = None
        self._background = BackgroundTasks()
        self._orderly = True

    def collection(
        self,
        name: str,
        source: Source | None = None,
        *,
        keys: Names = (),
        alpha: float | None = None,
        replica: str | None = None,
        reading: Reading | None = None,
    ) -> Self:
        """Declare a collection; `source` is read at the start if it has changed, and by the action `sync`.

        It is a file, or a function that returns or yields records, each a dict; `reading` says how records are read:
        `Reading(text=["subject", "message"], fields={"price": "number"})`. A bad record is left out and reported;
        with `Reading(strict=True)` the whole source is refused instead, and the previous documents stay.

        `keys` are the fields that identify a thing on any node, such as `["gtin", "website:url"]`: `field`, or
        `field:kind` with the kinds sku, gtin, url and email. A search with `dedup` shows equal ones once.

        `alpha` weighs words against meaning in this collection, from 1 (words alone) to 0; 0.7 without it. `replica` is
        a name that nodes with the same documents share: a search asks one of their collections.
        """
        given = asdict(reading or Reading())
        checked = convert_to(given | {"text": listed(given["text"], "text")}, Reading, f"collection {name}")
        self._holdings.declare(name, source, listed(keys, "keys"), alpha, replica, checked)
        return self

    def add(self, *actions: Action[Any, Any] | ModuleType | Iterable[Action[Any, Any]]) -> Self:
        """Declare actions: decorated functions, lists of them, or modules."""
        for source in actions:
            self._actions.add(source)
        return self

    def load(self, target: str) -> Self:
        """Declare what `module:object` names, and have the module's `prepare(db)`, if it has one, set up its tables."""
        self._actions.load(target)
        prepare = getattr(sys.modules[target.partition(":")[0]], "prepare", None)
        return self if prepare is None else self.prepare(prepare)

    def prepare(self, function: Prepare) -> Self:
        """Call `function` at each start, before any command, to set up the application's tables."""
        self._prepare.append(function)
        return self

    def answers(self, function: Answerer) -> Answerer:
        """Let `function` answer the questions for this node: `@child.answers`.

        It is an async function of the question and the passages found, and returns text that cites them as `[n]`.
        When it fails, the caller gets the best sentences of the documents instead.
        """
        if self._answerer is not None:
            raise Conflict("answers: this node has an answerer already", field="answers")
        self._answerer = check_answerer(function)
        return function

    @property
    def url(self) -> str:
        """The broker's URL without its password."""
        return redacted_url(find_url(self._url))

    @property
    def documents(self) -> dict[str, int]:
        """The number of documents of each open collection."""
        return {name: collection.count for name, collection in self._collections.items()}

    @property
    def collections(self) -> dict[str, CollectionInfo]:
        """The collections, with their counts and the state of their sources, or why they cannot be searched."""
        return {name: collection.info() for name, collection in self._collections.items()} | self._holdings.lost

    async def start(self) -> None:
        """Open the data, log in, read the sources, and join the fleet. Waits for its broker and for a master.

        `Conflict` when the data or the name is in use, or a later series of fleetfold has used the data;
        `Unauthenticated` when the fleet does not take the node's credentials, or it has none; `Unavailable` without a
        `url` and without a fleet on this machine, or where the disk is full. A source that is a file which is not there
        is refused before anything else.
        """
        self._holdings.check_files()
        if self._holdings:
            self._actions.add(builtin_actions(self._holdings.sync, lambda: self._holdings.sourced))
        self._holdings.require(self._options.embedder)
        try:
            self._open.enter_context(DataLock(self.data))
            stamp_version(self.data)
            ledger = await self._open_ledger()
            bus, granted = await self._connect()
            await self._open_documents(ledger)
            databases = await self._open_databases()
            application = Application(self._actions, self._collections, self._answerer, databases, self._holdings.lost)
            options = NodeOptions(
                granted, self._retention_s, self._redact, self._options.check_every_s, self._options.new
            )
            node = self._node = Node(bus, self._describing, application, ledger, options)
            await node.start()
        except BaseException:
            await self._open.aclose()
            raise
        log.info("child.up", node=self.name, documents=self.documents)
        if withheld := node.description.withheld:
            log.warning("child.not_granted", node=self.name, withheld=withheld, advice=INVITE_WHOLE)

    async def stop(self, *, orderly: bool = True) -> None:
        """Leave the fleet; running commands get five seconds to end.

        Not `orderly`: the process ends because of a command that ran in it, which counts as a death for the commands
        that are still running.
        """
        self._orderly = orderly
        if self._node is not None:
            await self._node.stop()
        await self._open.aclose()

    async def wait(self) -> str:
        """Wait until the fleet tells this node to stop; the reason."""
        assert self._node is not None
        await self._node.stopped.wait()
        return self._node.stop_reason

    def run(self) -> None:
        """Start, and stay until SIGINT or SIGTERM, or until another process takes the name.

        For a program of its own: what goes wrong ends it with one line on stderr and the error's exit code.
        """
        run_alone(self)

    async def _connect(self) -> tuple[Bus, AbstractSet[Capability]]:
        """Connect to the bus; the capabilities granted to the node. A broker that requires no credentials gets none."""
        url, subjects = find_url(self._url), Subjects(self._options.prefix)
        tls = find_tls(url, self._options.tls)
        if not (await wait_for_greeting(url, "node.awaiting_broker")).auth_required:
            bus = await Bus.connect(url, self.name, subjects, tls=tls, patient=True)
            return await self._open.enter_async_context(bus), frozenset(CAPABILITIES)
        membership = CredentialRenewal(
            self.name, CredentialStore.open(self.data, self.name), BusEnrolmentClient(url, self.name, subjects, tls)
        )
        bus = await log_in(
            membership,
            lambda: Bus.connect(url, self.name, subjects, credential=membership, tls=tls),
            self._describing,
            token=self._token,
            invite=LocalInvitation(self.name, url, self._options.prefix, self._options.tls.ca),
        )
        await self._open.enter_async_context(bus)
        self._open.push_async_callback(self._background.cancel)
        self._background.spawn(membership.keep_renewed(requests_over(bus), bus.connection.renew))
        return bus, membership.capabilities

    def _token(self) -> str | None:
        return check_join_token(self._join_token or from_environment("FLEETFOLD_JOIN", os.environ), self.name)

    async def _open_ledger(self) -> Ledger:
        """Open the ledger: before all else in the data directory, so that whatever is there shows that it was made."""
        ledger = await open_ledger(self.data, incarnation=self._describing.incarnation, new=self._options.new)
        self._open.push_async_callback(lambda: ledger.close(orderly=self._orderly))
        return ledger

    async def _open_documents(self, ledger: Ledger) -> None:
        await self._holdings.open(
            self.data, self._open, embedder=self._options.embedder, incarnation=self._describing.incarnation,
            on_change=self._changed, on_failure=self._index_failed, new=self._options.new,
        )  # fmt: skip
        for function in self._prepare:
            await function(ledger.database)
        await self._holdings.fill(self.data)

    async def _open_databases(self) -> Databases:
        urls = with_secrets(self._database_urls, os.environ)
        databases = await Databases.open(urls, self._actions, node=self.name, concurrency=self._describing.concurrency)
        self._open.push_async_callback(databases.close)
        return databases

    def _index_failed(self) -> None:
        if self._node is not None:
            self._node.health.suspect("index")

    def _changed(self, _info: object) -> None:
        if self._node is not None:
            self._node.changed()
