"""Scopes: what is named outside of them is refused, what is not named is narrowed, and what is own stays own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_master.access.authorizer import Principal
from fleetfold_shared.errors import Conflict, Forbidden, NotFound
from fleetfold_shared.messages import (
    AnswerQuestion,
    AuditList,
    JobGet,
    JobList,
    JobWait,
    Join,
    JoinRequest,
    KeyCreate,
    KeyList,
    KeyRevoke,
    KeyRotate,
    Message,
    NodeApprove,
    NodeAuditRequest,
    NodeDescription,
    NodeGet,
    NodeInvite,
    NodeList,
    NodePing,
    NodeRemove,
    NodeRevoke,
    NodeStatsRequest,
    NodeUpdate,
    Role,
    Rollback,
    Run,
    Scopes,
    Search,
    SigningRotate,
    StepSpec,
    Transact,
    TransactionGet,
    TransactionList,
    TransactionWait,
    WhoAmI,
)
from support.served_api import ServedApi, job, open_served_api, transaction

SHOPS = Scopes(nodes=["shop-*"], actions=["refund", "index"], collections=["products"])


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedApi]:
    """`ann` is an admin of the shops, `root` of everything; `pub` and `pub2` are publishers."""
    async with open_served_api(tmp_path) as served:
        people: dict[str, tuple[Role, Scopes]] = {
            "ann": ("admin", SHOPS), "root": ("admin", Scopes()), "rita": ("reader", SHOPS),
            "pub": ("publisher", Scopes()), "pub2": ("publisher", Scopes(nodes=["shop-1"])),
            "blog": ("child", Scopes()),
        }  # fmt: skip
        served.people.update({name: Principal(name, role, scopes) for name, (role, scopes) in people.items()})
        yield served


def step(node: str = "shop-1", action: str = "refund", **more: Any) -> StepSpec:
    return StepSpec(name="pay", node=node, action=action, **more)


def index(collection: Any) -> dict[str, Any]:
    return {"collection": collection, "documents": []}


OUTSIDE: list[tuple[str, Message, str]] = [
    ("nodes.get", NodeGet(node="blog"), "node"),
    ("nodes.update", NodeUpdate(node="blog", title="Mine"), "node"),
    ("nodes.remove", NodeRemove(node="blog"), "node"),
    ("nodes.audit", NodeAuditRequest(node="blog"), "node"),
    ("nodes.ping", NodePing(nodes=["shop-1", "blog"]), "nodes"),
    ("nodes.invite", NodeInvite(node="crm"), "node"),
    ("nodes.approve", NodeApprove(node="crm"), "node"),
    ("nodes.revoke", NodeRevoke(node="blog"), "node"),
    ("search.query", Search(query="chair", nodes=["blog"]), "nodes"),
    ("search.query", Search(query="chair", collections=["orders"]), "collections"),
    ("ask.question", AnswerQuestion(question="which chair?", nodes=["blog"]), "nodes"),
    ("ask.question", AnswerQuestion(question="which chair?", among=["blog"]), "among"),
    ("ask.question", AnswerQuestion(question="which chair?", collections=["orders"]), "collections"),
    ("ask.question", AnswerQuestion(question="which chair?", by="blog"), "by"),
    ("actions.run", Run(id="j1", action="refund", nodes=["shop-1", "blog"]), "nodes"),
    ("actions.run", Run(id="j1", action="cancel_order", nodes=["shop-1"]), "action"),
    ("actions.run", Run(id="j1", action="cancel_order", all=True), "action"),
    ("actions.run", Run(id="j1", action="index", nodes=["shop-1"], params=index("orders")), "params.collection"),
    ("transactions.run", Transact(id="t1", steps=[step("blog")]), "steps.pay.node"),
    ("transactions.run", Transact(id="t1", steps=[step(action="cancel_order")]), "steps.pay.action"),
    (
        "transactions.run",
        Transact(id="t1", steps=[step(rollback=Rollback("cancel_order"))]),
        "steps.pay.rollback.action",
    ),
    (
        "transactions.run",
        Transact(id="t1", steps=[step(action="index", params=index("orders"))]),
        "steps.pay.params.collection",
    ),
    (
        "transactions.run",
        Transact(id="t1", steps=[step(action="index", params=index("{{steps.a.products}}"))]),
        "steps.pay.params.collection",
    ),
    (
        "transactions.run",
        Transact(id="t1", steps=[step(rollback=Rollback("index", index("{{products}}")))]),
        "steps.pay.rollback.params.collection",
    ),
    ("keys.create", KeyCreate(name="bot"), "scopes"),
    ("keys.create", KeyCreate(name="bot", scopes=Scopes(nodes=["*"])), "scopes"),
    ("keys.sign", SigningRotate(), ""),
    ("audit.list", AuditList(), "node"),
    ("audit.list", AuditList(node="blog"), "node"),
]


@pytest.mark.parametrize(("verb", "ask", "field"), OUTSIDE, ids=lambda value: value if isinstance(value, str) else "")
async def test_what_is_named_outside_of_the_scope_is_refused_by_its_field(
    served: ServedApi, verb: str, ask: Message, field: str
) -> None:
    before = served.registry.all()
    with pytest.raises(Forbidden) as refused:
        await served.ask("ann", verb, ask)
    assert refused.value.field == (field or None)
    assert (served.registry.all(), served.jobs.all, served.transactions.all, served.dropped) == (before, {}, {}, [])
    assert served.federation.asked == served.gatherer.asked == []


async def test_a_collection_that_is_filled_in_later_is_outside_however_its_place_is_spelt(served: ServedApi) -> None:
    served.people["eve"] = Principal("eve", "publisher", Scopes(collections=["*products*"]))
    for value in ("{{steps.a.products}}", "products-{{steps.a.rest}}", ["products"], None):
        ask = Transact(id="t1", steps=[step(action="index", params=index(value))])
        with pytest.raises(Forbidden, match="outright"):
            await served.ask("eve", "transactions.run", ask)
    await served.ask(
        "eve", "transactions.run", Transact(id="t1", steps=[step(action="index", params=index("products-2"))])
    )


INSIDE: list[tuple[str, Message]] = [
    ("nodes.get", NodeGet(node="shop-1")),
    ("nodes.update", NodeUpdate(node="shop-1", title="Mine")),
    ("nodes.remove", NodeRemove(node="shop-1")),
    ("nodes.audit", NodeAuditRequest(node="shop-1")),
    ("nodes.ping", NodePing(nodes=["shop-1"])),
    ("nodes.invite", NodeInvite(node="shop-9")),
    ("nodes.revoke", NodeRevoke(node="shop-1")),
    ("search.query", Search(query="chair", nodes=["shop-1"], collections=["products"])),
    ("ask.question", AnswerQuestion(question="which chair?", nodes=["shop-1"], collections=["products"])),
    ("actions.run", Run(id="j1", action="refund", nodes=["shop-1", "shop-2"])),
    ("actions.run", Run(id="j1", action="index", nodes=["shop-1"], params=index("products"))),
    ("transactions.run", Transact(id="t1", steps=[step(rollback=Rollback("index", index("products")))])),
    ("keys.create", KeyCreate(name="bot", scopes=SHOPS)),
    ("audit.list", AuditList(node="shop-1")),
    ("access.whoami", WhoAmI()),
]


@pytest.mark.parametrize(("verb", "ask"), INSIDE, ids=lambda value: value if isinstance(value, str) else "")
async def test_what_is_inside_is_done(served: ServedApi, verb: str, ask: Message) -> None:
    await served.ask("ann", verb, ask)


async def test_all_means_what_is_in_the_scope(served: ServedApi) -> None:
    listed = await served.ask("rita", "nodes.list", NodeList())
    assert [node.name for node in listed.nodes] == ["shop-1", "shop-2"]
    stats = await served.ask("rita", "nodes.stats", NodeStatsRequest())
    assert (stats.total, stats.by_state) == (2, {"active": 2})
    pinged = await served.ask("rita", "nodes.ping", NodePing())
    assert served.gatherer.asked == [["shop-1", "shop-2"]]
    assert list(pinged.ms) == ["shop-1", "shop-2"]
    run = await served.ask("ann", "actions.run", Run(id="j1", action="refund", all=True))
    assert [part.node for part in run.nodes] == ["shop-1", "shop-2"]


async def test_a_search_of_everything_is_one_of_the_scope(served: ServedApi) -> None:
    await served.ask("rita", "search.query", Search(query="chair"))
    await served.ask("root", "search.query", Search(query="chair"))
    narrowed, whole = served.federation.asked
    assert (narrowed.among, narrowed.collections) == (["shop-1", "shop-2"], ["products"])
    assert (whole.nodes, whole.collections) == ([], [])


@pytest.mark.parametrize("scopes", [Scopes(nodes=["nothing-*"]), Scopes(nodes=["blog"], collections=["products"])])
async def test_a_scope_that_leaves_nothing_finds_nothing_and_not_everything(served: ServedApi, scopes: Scopes) -> None:
    served.people["eve"] = Principal("eve", "operator", scopes)
    found = await served.ask("eve", "search.query", Search(query="chair"))
    assert (found.hits, found.nodes, served.federation.asked) == ([], [], [])


async def test_a_ping_and_a_run_of_an_empty_scope_reach_nobody(served: ServedApi) -> None:
    served.people["eve"] = Principal("eve", "operator", Scopes(nodes=["nothing-*"]))
    assert (await served.ask("eve", "nodes.ping", NodePing())).ms == {}
    with pytest.raises(NotFound):
        await served.ask("eve", "actions.run", Run(id="j1", action="refund", all=True))
    assert served.jobs.all == {}


async def test_an_error_names_no_node_outside_of_the_scope(served: ServedApi) -> None:
    for verb, ask in (("nodes.get", NodeGet(node="shop-9")), ("search.query", Search(query="a", nodes=["shop-9"]))):
        with pytest.raises(NotFound, match=r"there are: shop-1, shop-2$"):
            await served.ask("rita", verb, ask)


JOBS = [("j-mine", "pub", ("shop-1",)), ("j-both", "root", ("shop-1", "blog")), ("j-shop", "root", ("shop-2",))]


@pytest.fixture
def history(served: ServedApi) -> None:
    """A job and a transaction each: of a publisher, and of others."""
    for key, caller, nodes in JOBS:
        served.jobs.all[key] = job(key, caller, *nodes)
        served.transactions.all[key] = transaction(key, caller, *nodes)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("root", ["j-mine", "j-both", "j-shop"]), ("rita", ["j-mine", "j-shop"]), ("pub", ["j-mine"]), ("pub2", []),
    ],
)  # fmt: skip
async def test_jobs_and_transactions_are_seen_when_all_their_nodes_are_and_by_publishers_when_they_are_their_own(
    served: ServedApi, who: str, sees: list[str]
) -> None:
    jobs = await served.ask(who, "jobs.list", JobList())
    views = await served.ask(who, "transactions.list", TransactionList())
    assert [one.id for one in jobs.jobs] == [one.id for one in views.transactions] == sees
    asks = [
        ("jobs.get", JobGet),
        ("jobs.wait", JobWait),
        ("transactions.get", TransactionGet),
        ("transactions.wait", TransactionWait),
    ]
    for verb, ask in asks:
        for key, _, _ in JOBS:
            if key in sees:
                assert (await served.ask(who, verb, ask(id=key))).id == key
            else:
                with pytest.raises(Forbidden, match=key):
                    await served.ask(who, verb, ask(id=key))


@pytest.mark.usefixtures("history")
async def test_a_narrowed_list_is_as_long_as_was_asked_for(served: ServedApi) -> None:
    listed = await served.ask("rita", "jobs.list", JobList(limit=2))
    assert [one.id for one in listed.jobs] == ["j-mine", "j-shop"]


async def test_a_child_may_see_itself_and_join_as_itself(served: ServedApi) -> None:
    assert (await served.ask("blog", "nodes.get", NodeGet(node="blog"))).name == "blog"
    with pytest.raises(Forbidden, match="shop-1"):
        await served.ask("blog", "nodes.get", NodeGet(node="shop-1"))
    await served.ask("blog", "nodes.join", Join(description=NodeDescription(incarnation="i2", version="1.0")))
    assert served.fleet.joined == ["blog"]


async def test_everybody_is_told_who_he_is(served: ServedApi) -> None:
    identity = await served.ask("rita", "access.whoami", WhoAmI())
    assert (identity.name, identity.role, identity.scopes) == ("rita", "reader", SHOPS)


async def test_an_admin_with_scopes_has_nothing_to_do_with_wider_keys(served: ServedApi) -> None:
    wide = await served.ask("root", "keys.create", KeyCreate(name="wide", role="operator"))
    own = await served.ask("ann", "keys.create", KeyCreate(name="own", scopes=SHOPS))
    assert [key.name for key in (await served.ask("ann", "keys.list", KeyList())).keys] == ["own"]
    for key in ("wide", wide.info.id):
        for verb, ask in (("keys.rotate", KeyRotate(key=key)), ("keys.revoke", KeyRevoke(key=key))):
            with pytest.raises(Forbidden, match="key"):
                await served.ask("ann", verb, ask)
    assert (await served.ask("ann", "keys.rotate", KeyRotate(key="own"))).info.name == "own"
    assert own.info.scopes == SHOPS
    assert len((await served.ask("root", "keys.list", KeyList())).keys) == 2


async def test_of_an_entry_about_several_nodes_a_caller_reads_those_in_its_scope(served: ServedApi) -> None:
    served.audit.note("root", "actions.run", "ok", node="blog,shop-1,shop-2")
    await served.audit.flush()
    listed = await served.ask("ann", "audit.list", AuditList(node="shop-1"))
    assert [entry.node for entry in listed.entries] == ["shop-1,shop-2"]


async def test_a_pending_node_outside_of_the_scope_is_not_for_it_to_approve(served: ServedApi) -> None:
    ask = JoinRequest(claim="c" * 43, description=NodeDescription(incarnation="i1", version="1.0"))
    for name in ("crm", "shop-7"):
        await served.rooms.join_requests.ask(name, ask)
    with pytest.raises(Forbidden):
        await served.ask("ann", "nodes.approve", NodeApprove(node="crm"))
    assert (await served.ask("ann", "nodes.approve", NodeApprove(node="shop-7"))).state == "active"
    assert [node.name for node in served.registry.all()] == ["blog", "shop-1", "shop-2", "shop-7"]


async def test_the_last_admin_may_not_lock_everybody_out(served: ServedApi) -> None:
    mine = await served.ask("root", "keys.create", KeyCreate(name="root", role="admin"))
    for key in ("root", mine.info.id):
        with pytest.raises(Conflict, match="last admin key"):
            await served.ask("root", "keys.revoke", KeyRevoke(key=key))
    await served.ask("root", "keys.create", KeyCreate(name="other", role="admin"))
    await served.ask("root", "keys.revoke", KeyRevoke(key="root"))
