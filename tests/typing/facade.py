"""What users import, as a type checker sees it. Checked by `make check`, never run."""

from __future__ import annotations

from typing import assert_type

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from fleetfold import Child, Client, Context, Refused, RetryPolicy, StepSpec, action
from fleetfold_shared.messages import Job, NodeRecord, Searched, TransactionView


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
    async with await Client.connect() as fleet:
        assert_type(await fleet.search("tent"), Searched)
        assert_type([page async for page in fleet.search_pages("tent")], list[Searched])
        assert_type(await fleet.run("reserve", {"sku": "TNT-204"}, nodes=["shop"]), Job)
        step = StepSpec(name="reserve", node="shop", action="reserve")
        assert_type(await fleet.transact([step]), TransactionView)
        assert_type(await fleet.nodes(), list[NodeRecord])


def a_child_is_declared_in_one_chain() -> Child:
    return Child("shop").collection("products", "docs.jsonl").add(bare, called, elsewhere)
