"""What a child has acknowledged survives its kill -9 the moment after, and is found when it is back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import pytest

from fleetfold.client import Client
from fleetfold_shared.messages import Filter
from support.fleet import Fleet
from support.wait import eventually

ROUNDS = 3
WORDS = ["granite", "heather", "lantern", "marmot", "larch", "scree", "tarn", "cairn"]


@pytest.mark.parametrize("seed", [1])
async def test_acknowledged_documents_survive_the_kill_of_their_child(fleet: Fleet, seed: int) -> None:
    rng = random.Random(seed)
    there: dict[str, str] = {}
    await fleet.start_child("shop", "--collection", "things")
    async with await fleet.client() as client:
        for number in range(ROUNDS):
            for gone in rng.sample(sorted(there), min(3, len(there))):
                await change(client, "delete", ids=[gone])
                del there[gone]
            for batch in range(rng.randint(1, 6)):
                texts = {f"{number}-{batch}-{one}": f"{rng.choice(WORDS)} {one}" for one in range(rng.randint(1, 40))}
                await change(client, "index", documents=documents(texts))
                there |= texts
            await fleet.kill("shop")
            await fleet.restart("shop")
            assert fleet.ready("shop")["documents"] == {"things": len(there)}
            await assert_found(client, {key: there[key] for key in rng.sample(sorted(there), min(5, len(there)))})


@pytest.mark.parametrize("seed", [1])
async def test_documents_on_their_way_when_the_child_dies_are_there_when_it_is_back(fleet: Fleet, seed: int) -> None:
    rng = random.Random(seed)
    there: dict[str, str] = {}
    await fleet.start_child("shop", "--collection", "things")
    async with await fleet.client() as client:
        for number in range(ROUNDS):
            texts = {f"{number}-{one}": f"{rng.choice(WORDS)} {one}" for one in range(300)}
            parameters = {"collection": "things", "documents": documents(texts)}
            begun = await client.run("index", parameters, nodes=["shop"], detach=True)
            there |= texts
            await asyncio.sleep(rng.uniform(0, 0.1))
            await fleet.kill("shop")
            await fleet.restart("shop")
            job = await client.jobs.wait(begun.id, 20)
            assert job.nodes[0].result["taken"] == len(texts), job
        await assert_found(client, {key: there[key] for key in rng.sample(sorted(there), 10)})

        async def all_counted() -> bool:
            return (await client.nodes.stats()).documents == len(there)

        await eventually(all_counted)


def documents(texts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"id": key, "text": text} for key, text in texts.items()]


async def change(client: Client, action: str, **params: object) -> None:
    """Run it to its acknowledgement."""
    job = await client.run(action, {"collection": "things", **params}, nodes=["shop"])
    assert job.state == "ok", job


async def assert_found(client: Client, texts: Mapping[str, str]) -> None:
    for key, text in texts.items():
        found = await client.search(text, limit=1, filter=Filter(field="id", value=key))
        assert [(hit.id, hit.content) for hit in found.hits] == [(key, text)], found
