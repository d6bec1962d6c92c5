"""What users import, as a type checker sees it. Checked by `make check`, never run."""

from __future__ import annotations

from typing import assert_type

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from fleetfold import (
    Auto,
    Child,
    Client,
    Context,
    Definition,
    JobHandle,
    Refused,
    RetryPolicy,
    Rollout,
    SearchOptions,
    StepSpec,
    Targets,
    Transaction,
    TransactionHandle,
    action,
    step,
)
from fleetfold.step_references import Condition, Reference
from fleetfold.transaction_builder import PlannedStep
from fleetfold_shared.messages import DefinitionStored, Job, NodeRecord, Searched, TimelineEntry, TransactionView


class Reserved(msgspec.Struct):
    """A result."""

    reservation_id: str


@action
async def bare(ctx: Context, sku: str) -> Reserved:
    """Decorated without parentheses."""
    return Reserved(f"{sku}-{ctx.key}")


@action(kind="transactional", timeout=5)
async def called(ctx: Context, sku: str, quantity: int = 1) -> Reserved:
    """Decorated with options."""
    if quantity > 3:
        raise Refused("too many")
    rows = await ctx.tx.execute("SELECT 1 AS one")
    return Reserved(f"{sku}-{rows[0]['one']}")


@action(destructive=True, slots=2, heartbeat=30, retry=RetryPolicy(attempts=3, on=["OSError"]), cancel_grace=60)
async def long(ctx: Context, pages: int) -> int:
    """Decorated with what long work needs."""
    for page in range(pages):
        ctx.progress(page, pages, "reading")
        ctx.progress(page)
        if ctx.cancelled:
            assert_type(ctx.cancelled_by, str | None)
            raise Refused("stopped")
    await ctx.wait_cancelled()
    assert_type(ctx.attempt, int)
    ctx.progress("half")  # type: ignore[arg-type]  # numbers only
    return pages


@action(slots="two")  # type: ignore[call-overload,untyped-decorator]  # a number
async def wrong(ctx: Context) -> None:
    """Decorated with what will not do."""


@action(kind="transactional", database="shop")
async def elsewhere(ctx: Context, sku: str) -> Reserved:
    """In the application's database."""
    assert_type(ctx.session, AsyncSession)
    return Reserved(sku)


async def an_action_is_called_like_its_function(ctx: Context) -> None:
    assert_type(await bare(ctx, "TNT-204"), Reserved)
    assert_type(await called(ctx, "TNT-204", quantity=2), Reserved)
    assert_type(await long(ctx, 3), int)
    await called(ctx, 204)  # type: ignore[arg-type]  # the parameters keep their types
    await bare(ctx)  # type: ignore[call-arg]


async def a_client_gives_typed_answers() -> None:
    async with Client.connect() as fleet:
        assert_type(await fleet.search("tent"), Searched)
        assert_type([page async for page in fleet.search_pages("tent")], list[Searched])
        assert_type(await fleet.search("tent", nodes=Auto("shop"), options=SearchOptions(dedup="near")), Searched)
        assert_type(await fleet.run("reserve", {"sku": "TNT-204"}, nodes="shop"), Job)
        job = await fleet.run("reserve", nodes=Targets(where="role=shop"), rollout=Rollout(batch=2), detach=True)
        assert_type(job, JobHandle)
        assert_type(await job.result(), Job)
        assert_type([state async for state in job.follow()], list[Job])
        spec = StepSpec(name="reserve", node="shop", action="reserve")
        assert_type(await fleet.transact([spec]), TransactionView)
        assert_type(await fleet.transact([spec], detach=True), TransactionHandle)
        assert_type(await fleet.nodes.list(), list[NodeRecord])


async def a_client_is_connected_both_ways() -> None:
    fleet = await Client.connect()
    assert_type(fleet, Client)
    async with Client.connect() as same:
        assert_type(same, Client)


def a_child_is_declared_in_one_chain() -> Child:
    return Child("shop").collection("products", "docs.jsonl").add(bare, called, elsewhere)


def a_transaction_is_built_of_typed_objects() -> Transaction:
    tx = Transaction("order", within_s=60)
    sku = tx.input("sku", str, default="TNT-204")
    order = tx.step("shop.order", sku=sku, rollback=step.compensation("cancel", id=step.log["id"], all=step["all"]))
    assert_type(sku, Reference)
    assert_type(order, PlannedStep)
    assert_type(order["lines"][0], Reference)
    assert_type(order["total"] > 100, Condition)
    assert_type((order["total"] == 1) & ~order["paid"].exists(), Condition)
    tx.step("crm.note", after=[order], when=order["total"] > 100, text=f"for {sku}")
    tx.step("crm.note", after="order")  # type: ignore[arg-type]  # a step, not its name
    tx.step("crm.note", when=True)  # type: ignore[arg-type]  # a condition on what steps have returned
    return tx


async def what_is_built_is_run_kept_and_followed(tx: Transaction) -> None:
    async with Client.connect() as fleet:
        assert_type(await fleet.transact(tx, inputs={"sku": "a"}), TransactionView)
        assert_type(await fleet.transact("order@2", inputs={"sku": "a"}), TransactionView)
        assert_type(await fleet.definitions.put(tx), DefinitionStored)
        assert_type(tx.definition(), Definition)
        async for news in fleet.transactions.follow("t1"):
            assert_type(news, TimelineEntry | TransactionView)
