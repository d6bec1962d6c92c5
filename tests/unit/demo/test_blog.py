"""The blog's posts."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_demo.blog import Published, Retracted, publish_post, retract_post
from fleetfold_shared.errors import InvalidInput
from support.demo_node import DemoNode

POST: dict[str, Any] = {
    "title": "Frost on the fly sheet", "body": "Shake it off before you pack.", "author": "Isla", "tags": ["winter"],
}  # fmt: skip


async def test_a_published_post_is_a_document(node: DemoNode) -> None:
    assert await node.run(publish_post, **POST) == Published("post-k1", POST["title"])
    post = node.collections["posts"].by_id["post-k1"]
    assert {name: post[name] for name in POST} == POST


async def test_a_repeated_command_publishes_one_post(node: DemoNode) -> None:
    before = len(node.collections["posts"].by_id)
    await node.run(publish_post, **POST)
    await node.run(publish_post, **POST)
    assert len(node.collections["posts"].by_id) == before + 1


async def test_a_retracted_post_is_gone_and_stays_gone(node: DemoNode) -> None:
    await node.run(publish_post, **POST)
    assert await node.run(retract_post, post_id="post-k1") == Retracted("post-k1", removed=True)
    assert await node.run(retract_post, post_id="post-k1") == Retracted("post-k1", removed=False)
    assert "post-k1" not in node.collections["posts"].by_id


async def test_a_post_without_a_title_is_refused_by_name(node: DemoNode) -> None:
    with pytest.raises(InvalidInput, match=r"^title: "):
        await node.run(publish_post, **{**POST, "title": ""})
