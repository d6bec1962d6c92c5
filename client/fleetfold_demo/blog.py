"""The blog's actions: publish a post, and unpublish it. A post is its document in the collection `posts`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context

__all__ = ["ACTIONS", "Published", "Retracted", "publish_post", "retract_post"]

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Body = Annotated[str, msgspec.Meta(min_length=1, max_length=50_000)]


class Published(msgspec.Struct, frozen=True):
    """A post that searches find."""

    post_id: str
    title: str


class Retracted(msgspec.Struct, frozen=True):
    """A post that searches no longer find; `removed` says whether this call took it away."""

    post_id: str
    removed: bool


@action
async def publish_post(ctx: Context, title: Line, body: Body, author: Line, tags: Sequence[str] = ()) -> Published:
    """Publish a post; searches find it at once."""
    post_id = f"post-{ctx.key}"  # a repeated command replaces its own post instead of adding another
    published = datetime.now(UTC).date().isoformat()
    post = {"id": post_id, "title": title, "body": body, "author": author, "published": published, "tags": list(tags)}
    await ctx.collection("posts").index([post])
    return Published(post_id, title)


@action
async def retract_post(ctx: Context, post_id: str) -> Retracted:
    """Take a post back; one that is gone already stays gone."""
    return Retracted(post_id, await ctx.collection("posts").delete([post_id]) > 0)


ACTIONS = [publish_post, retract_post]
