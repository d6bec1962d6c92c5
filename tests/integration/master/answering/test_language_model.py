"""A model's endpoint that works, and every way it does not: words as they come, or one line that says why not."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from fleetfold_master.answering.language_model import Model, ModelError, model_key
from fleetfold_shared.config import AnsweringConfig
from fleetfold_shared.errors import InvalidInput
from support.endpoint import Endpoint, Play, endpoint, event, hang, refuse, say

KEY = "sk-very-secret"
MESSAGES = [{"role": "user", "content": "why?"}]


async def heard(there: Endpoint, timeout_s: float = 10.0, **settings: Any) -> list[str]:
    config = AnsweringConfig(url=there.url, model="m1", **settings)
    async with Model.open(config, {"FLEETFOLD_ASK_KEY": KEY}) as model:
        assert model is not None
        return [words async for words in model.words("m1", MESSAGES, timeout_s)]


async def reason(play: Play, **settings: Any) -> str:
    async with endpoint(play) as there:
        with pytest.raises(ModelError) as failed:
            await heard(there, **settings)
    assert "\n" not in str(failed.value)
    assert KEY not in str(failed.value)
    return str(failed.value)


async def test_words_come_as_they_are_said_to_who_shows_the_key() -> None:
    async with endpoint(say("Within ", "30 ", "days [1].")) as there:
        assert await heard(there, answer_tokens=50) == ["Within ", "30 ", "days [1]."]
    assert there.asked == [{"model": "m1", "messages": MESSAGES, "max_tokens": 50, "stream": True}]
    assert there.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "end", [event(finish="stop"), b": a comment\r\n\r\nevent: x\ndata:[DONE]\r\n\r\n", b"data: [DONE]"]
)
async def test_endpoints_end_in_their_own_ways(end: bytes) -> None:
    async with endpoint(say("a", end=end)) as there:
        assert await heard(there) == ["a"]


@pytest.mark.parametrize(
    ("status", "why"),
    [(401, "does not take the key"), (403, "refuses the key"), (404, "no such path or model"), (500, "failed"),
     (503, "overloaded"), (418, "answers 418"), (301, "answers 301")],
)  # fmt: skip
async def test_a_refusal_is_told_in_one_line(status: int, why: str) -> None:
    assert why in await reason(refuse(status, "Location: http://127.0.0.1:1/", body=f"no: {KEY}\n\n"))


async def test_a_limit_is_told_and_the_endpoint_is_left_alone_for_as_long_as_it_asks() -> None:
    async with endpoint(refuse(429, "Retry-After: 7")) as there:
        config = AnsweringConfig(url=there.url, model="m1")
        async with Model.open(config, {}) as model:
            assert model is not None
            for why in ("too many requests (429); it asks for a pause of 7 s", "asked for a pause"):
                with pytest.raises(ModelError) as failed:
                    await anext(model.words("m1", MESSAGES, 5.0))
                assert why in str(failed.value)
    assert len(there.asked) == 1


async def test_one_that_is_not_there_is_told() -> None:
    async with endpoint(say()) as there:
        pass
    with pytest.raises(ModelError, match="cannot be reached"):
        await heard(there)


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (b"", "broke off"),
        (b"data: {not json}\n\n", "cannot be read"),
        (b'data: {"choices": 7}\n\n', "cannot be read"),
        (b"data: \xff\xfe\n\n", "cannot be read"),
        (b'data: {"error": {"message": "no memory"}}\n\n', "reports an error"),
        (b"data: " + b"x" * 1_100_000, "cannot be read"),
        (event("x" * 100_000), "more than it was allowed"),
    ],
    ids=["cut", "not JSON", "another shape", "not UTF-8", "error", "endless line", "too much"],
)
async def test_a_stream_that_is_cut_or_malformed_is_told(end: bytes, why: str) -> None:
    assert why in await reason(say("Within ", end=end))


async def test_one_that_hangs_is_told_at_its_limit() -> None:
    assert "said nothing for 0.1 s" in await reason(hang("a"), silence_s=0.1)
    assert "did not end its answer in the time" in await reason(hang("a"), timeout_s=0.1)
    assert "did not end its answer in the time" in await reason(hang("a"), at_once=1, timeout_s=0.1)


async def test_who_wants_no_more_words_ends_the_call() -> None:
    async with endpoint(hang("a")) as there, Model.open(AnsweringConfig(url=there.url, model="m1"), {}) as model:
        assert model is not None
        async with aclosing(model.words("m1", MESSAGES, 10.0)) as words:
            assert await anext(words) == "a"
        async with asyncio.timeout(5):
            await there.gone.wait()


async def test_without_an_endpoint_there_is_no_model_and_without_a_name_there_is_none_either() -> None:
    async with Model.open(AnsweringConfig(), {}) as model:
        assert model is None
    with pytest.raises(InvalidInput, match=r"ask\.model"):
        async with Model.open(AnsweringConfig(url="http://127.0.0.1:1/v1"), {}):
            pass


async def test_callers_choose_among_the_models_of_the_settings() -> None:
    config = AnsweringConfig(url="http://127.0.0.1:1/v1", model="small", models=["large"])
    async with Model.open(config, {}) as model:
        assert model is not None
        assert [model.named(name) for name in (None, "small", "large")] == ["small", "small", "large"]
        with pytest.raises(InvalidInput, match="'huge' is not offered here; there are: small, large, none"):
            model.named("huge")


def test_the_key_is_of_the_variable_or_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("of-the-file\n")
    assert model_key(AnsweringConfig(key_file=str(file)), {}) == "of-the-file"
    assert model_key(AnsweringConfig(key_file=str(file)), {"FLEETFOLD_ASK_KEY": " shown "}) == "shown"
    assert model_key(AnsweringConfig(), {}) is None
    with pytest.raises(InvalidInput, match=r"ask\.key_file"):
        model_key(AnsweringConfig(key_file=str(tmp_path / "none")), {})
