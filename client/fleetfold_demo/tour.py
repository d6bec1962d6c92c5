"""The guided tour: fleetfold's main tasks end to end, with real results."""

from __future__ import annotations

import asyncio
import time

from rich.console import Console
from rich.markup import escape

from fleetfold.client import Client
from fleetfold.signal_handling import run_loop, until_signalled
from fleetfold_broker.secret_file import keep_private
from fleetfold_cli.error_exit import FAILED, OK
from fleetfold_cli.views import job_view as job_view
from fleetfold_cli.views import node_view as node_view
from fleetfold_cli.views import search_view as search_view
from fleetfold_cli.views import transaction_view as transaction_view
from fleetfold_demo.demo_fleet import DemoFailed, DemoFleet
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import Rollback, StepSpec, TransactionView

__all__ = ["ACTS", "run"]

TENT, STOVE, CUSTOMER = "TNT-204", "STV-401", "C-1001"
PACKING_S = 2.0


def run(stay: bool) -> int:
    """Give the tour; 0 if all of it happened. With `stay`, the fleet stays up until SIGINT or SIGTERM."""
    console = Console(width=None if Console().is_terminal else 120)
    keep_private()
    return run_loop(_run(console, stay))


async def _run(console: Console, stay: bool) -> int:
    code = FAILED
    with until_signalled() as stop:
        try:
            async with DemoFleet(console) as demo:
                await _give(console, demo)
                code = OK
                if stay:
                    await _stay(console, demo)
        except (DemoFailed, FleetfoldError) as error:
            console.print(f"[bold red]The demo failed:[/] {escape(str(error))}", highlight=False)
            code = FAILED
    return stop.exit_code or code


async def _give(console: Console, demo: DemoFleet) -> None:
    started = time.monotonic()
    for act in ACTS:
        await act(demo)
    console.print(f"\n[bold green]All of it happened[/], in {time.monotonic() - started:.0f} s.")


async def _stay(console: Console, demo: DemoFleet) -> None:
    console.print(f"The fleet stays up on {demo.url}. In another terminal:\n")
    demo.show_way()
    for words in ("nodes list", 'search "tent for a gale"', f"run shop stock_of sku={TENT}", "tx list"):
        demo.command(words)
    console.print("\nCtrl-C ends it.")
    await asyncio.Event().wait()


async def show_fleet(demo: DemoFleet) -> None:
    demo.act("The fleet: three applications, each with a child node of its own")
    demo.command("nodes list")
    nodes = await demo.client.nodes.list()
    demo.show(node_view.listing(nodes))
    demo.require("three nodes are registered and healthy", len(nodes) == 3 and all(node.healthy for node in nodes))


async def show_search(demo: DemoFleet) -> None:
    demo.act("One search over all of them, one ranking")
    question = "keeping dry in a tent when it rains all night"
    demo.command(f'search "{question}" --limit 6')
    found = await demo.client.search(question, limit=6)
    demo.show(search_view.answer(found))
    demo.require("the hits come from several nodes", len({hit.node for hit in found.hits}) > 1)
    demo.require("every node answered", not found.partial)


async def show_action(demo: DemoFleet) -> None:
    demo.act("An action in one application, and the search that finds the change")
    words = "pitching on sand at Rhossili, with buried bags for pegs"
    before = await demo.client.search(words, limit=1)
    demo.command(f'run blog publish_post title="..." body="We camped behind the dunes, {words} ..." author=Gethin')
    job = await demo.client.run(
        "publish_post",
        {
            "title": "Camping on sand",
            "body": f"We camped behind the dunes, {words}: fill them, bury them sideways, and the guylines hold.",
            "author": "Gethin Pryce",
        },
        nodes=["blog"],
    )
    demo.show(job_view.detail(job))
    demo.command(f'search "{words}" --limit 1')
    after = await demo.client.search(words, limit=1)
    demo.show(search_view.answer(after))
    demo.require("the job is done", job.state == "ok")
    new = after.hits[0].title == "Camping on sand" and before.hits[0].id != after.hits[0].id
    demo.require("the new post is found, and leads", new)


async def show_commit(demo: DemoFleet) -> None:
    demo.act("A transaction over two applications: stock in the shop, an order in the CRM")
    left = await _stock(demo.client, TENT)
    demo.command("tx run order.toml")
    view = await demo.client.transact(_order(TENT, quantity=1), name="an order")
    demo.show(transaction_view.detail(view))
    demo.require("it committed", view.state == "committed")
    now = await _stock(demo.client, TENT)
    demo.require(f"the stock of {TENT} went from {left} to {now}", now == left - 1)
    demo.require("the CRM has the order", await _order_status(demo.client, view) == "placed")


async def show_roll_back(demo: DemoFleet) -> None:
    demo.act("One that fails at its last step, and is compensated in reverse order")
    left, owed = await _stock(demo.client, STOVE), await _balance(demo.client)
    demo.say(f"before: {left} of {STOVE} in stock; {CUSTOMER} owes {owed:.2f}")
    too_much = StepSpec(
        name="charge", node="crm", action="charge_customer", params={"customer_id": CUSTOMER, "amount": 9999.0},
        rollback=Rollback("refund_customer", {"charge_id": "{{charge_id}}"}),
    )  # fmt: skip
    demo.command("tx run order-and-charge.toml")
    view = await demo.client.transact([*_order(STOVE, quantity=2), too_much], name="over the credit limit")
    demo.show(transaction_view.detail(view))
    demo.require("it was rolled back", view.state == "rolled_back")
    compensated = [entry.step for entry in view.timeline if entry.what == "compensated"]
    demo.require("the order was cancelled before the stock was released", compensated == ["order", "reserve"])
    now, owes = await _stock(demo.client, STOVE), await _balance(demo.client)
    demo.say(f"after: {now} of {STOVE} in stock; {CUSTOMER} owes {owes:.2f}")
    demo.require("stock and account are as they were", (now, owes) == (left, owed))
    demo.require("the order is cancelled", await _order_status(demo.client, view) == "cancelled")


async def show_survive(demo: DemoFleet) -> None:
    demo.act("kill -9 of the master in the middle of a third")
    left = await _stock(demo.client, TENT)
    pack = StepSpec(
        name="pack", node="crm", action="pack_order", timeout_s=60,
        params={"order_id": "{{steps.order.order_id}}", "seconds": PACKING_S},
        rollback=Rollback("cancel_order", {"order_id": "{{order_id}}"}),
    )  # fmt: skip
    begun = await demo.client.transact([*_order(TENT, quantity=1), pack], name="packed meanwhile", detach=True)
    while "pack" not in {step.name for step in (await begun.get()).steps if step.state == "running"}:
        pass
    await demo.kill_master()
    demo.say("the order is being packed; the master is dead")
    await asyncio.sleep(PACKING_S / 2)
    await demo.start_master()
    view = await begun.result(timeout_s=60)
    demo.command(f"tx show {view.id}")
    demo.show(transaction_view.detail(view))
    demo.require("the transaction ended committed", view.state == "committed")
    status, now = await _order_status(demo.client, view), await _stock(demo.client, TENT)
    demo.require(f"the order is packed, once, and one {TENT} less in stock", (status, now) == ("packed", left - 1))


ACTS = (show_fleet, show_search, show_action, show_commit, show_roll_back, show_survive)
"""The tour, act by act; each raises `DemoFailed` when what it shows did not happen."""


def _order(sku: str, quantity: int) -> list[StepSpec]:
    """Reserve in the shop, then order in the CRM; each with what undoes it."""
    return [
        StepSpec(
            name="reserve", node="shop", action="reserve_stock", params={"sku": sku, "quantity": quantity},
            rollback=Rollback("release_stock", {"reservation_id": "{{reservation_id}}"}),
        ),
        StepSpec(
            name="order", node="crm", action="create_order",
            params={
                "customer_id": CUSTOMER, "sku": sku, "quantity": quantity,
                "note": "reserved as {{steps.reserve.reservation_id}}",
            },
            rollback=Rollback("cancel_order", {"order_id": "{{order_id}}"}),
        ),
    ]  # fmt: skip


async def _stock(client: Client, sku: str) -> int:
    job = await client.run("stock_of", {"sku": sku}, nodes=["shop"])
    return int(job.nodes[0].result["left"])


async def _balance(client: Client) -> float:
    job = await client.run("balance_of", {"customer_id": CUSTOMER}, nodes=["crm"])
    return float(job.nodes[0].result["owes"])


async def _order_status(client: Client, view: TransactionView) -> str:
    created = next(step for step in view.steps if step.name == "order").result
    job = await client.run("order_status", {"order_id": created["order_id"]}, nodes=["crm"])
    return str(job.nodes[0].result["status"])
