"""A node of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_demo import crm, shop
from fleetfold_demo.samples import Sample, records
from support.demo_node import DemoNode, DictDocuments

COLLECTIONS: tuple[Sample, ...] = ("products", "posts", "tickets", "orders")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[DemoNode]:
    node = DemoNode(tmp_path, **{name: DictDocuments(records(name)) for name in COLLECTIONS})
    await shop.prepare(node.db)
    await crm.prepare(node.db)
    yield node
    await node.close()
