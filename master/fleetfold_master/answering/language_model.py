"""The client of an OpenAI-compatible model endpoint: streams words, or fails with one line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from fleetfold_shared.config import AnsweringConfig
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.integer_parsing import whole_number

if TYPE_CHECKING:
    import httpx2

__all__ = ["Model", "ModelError", "model_key"]

log = structlog.get_logger(__name__)

CONNECT_S = 5.0
MOST_LINE_CHARS = 1_000_000
MOST_PAUSE_S = 300.0
"""The longest pause in seconds that an endpoint may ask for with `Retry-After`."""
PAUSE_S = 5.0
"""The pause in seconds after a 429 that names none."""
DONE = "[DONE]"


class ModelError(Exception):
    """Why the model gave no answer, in one line that names neither the endpoint nor its key."""


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    error: Any = None


_decoder = msgspec.json.Decoder(_Chunk)


def model_key(config: AnsweringConfig, env: Mapping[str, str]) -> str | None:
    """The key of `$FLEETFOLD_ASK_KEY`, else of `key_file`. Raises `InvalidInput` if the file cannot be read."""
    if key := env.get("FLEETFOLD_ASK_KEY"):
        return key.strip()
    if config.key_file is None:
        return None
    try:
        return Path(config.key_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise InvalidInput(f"ask.key_file: {config.key_file} cannot be read: {why}", field="ask.key_file") from None


class Model:
    """The configured endpoint. `async with Model.open(...)`; None if none is configured."""

    def __init__(self, client: httpx2.AsyncClient, config: AnsweringConfig) -> None:
        self._client, self._config = client, config
        self._gate = asyncio.Semaphore(config.at_once)
        self._not_before = 0.0

    @classmethod
    @asynccontextmanager
    async def open(cls, config: AnsweringConfig, env: Mapping[str, str]) -> AsyncIterator[Model | None]:
        """Open. Raises `InvalidInput`, naming the setting, or `Unavailable`, naming the missing package."""
        if config.url is None:
            yield None
            return
        if config.model is None:
            raise InvalidInput("ask.model: name the model that ask.url is to be asked for", field="ask.model")
        try:
            import httpx2
        except ModuleNotFoundError:
            raise Unavailable("ask.url: it needs httpx2: `pip install 'fleetfold[ask]'`", field="ask.url") from None
        key = await asyncio.to_thread(model_key, config, env)
        timeout = httpx2.Timeout(config.silence_s, connect=min(CONNECT_S, config.timeout_s), pool=config.timeout_s)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            client = httpx2.AsyncClient(base_url=config.url, headers=headers, timeout=timeout, follow_redirects=False)
        except (httpx2.InvalidURL, UnicodeEncodeError):
            raise InvalidInput("ask: its url or its key cannot be used; write them anew", field="ask") from None
        async with client:
            yield cls(client, config)

    def named(self, name: str | None) -> str:
        """The full name of a model. Raises `InvalidInput` if it is not configured."""
        known = [self._config.model or "", *self._config.models]
        if name is not None and name not in known:
            raise InvalidInput(
                f"model: {name!r} is not offered here; there are: {', '.join(known)}, none", field="model"
            )
        return name or known[0]

    async def words(
        self, model: str, messages: Sequence[Mapping[str, str]], timeout_s: float
    ) -> AsyncGenerator[str, None]:
        """Stream the model's words. Raises `ModelError` on failure, or at the end of `timeout_s`."""
        if (pause_s := self._not_before - asyncio.get_running_loop().time()) > 0:
            raise ModelError(f"the model's endpoint asked for a pause, {pause_s:.0f} s of it are left")
        import httpx2

        try:
            async with asyncio.timeout(min(timeout_s, self._config.timeout_s)), self._gate:
                async for words in self._stream(model, messages):
                    yield words
        except TimeoutError:
            raise ModelError("the model did not end its answer in the time given") from None
        except httpx2.TimeoutException as error:
            raise ModelError(_silence(error, self._config)) from None
        except httpx2.ConnectError as error:
            log.warning("ask.unreachable", reason=str(error))
            raise ModelError("the model's endpoint cannot be reached") from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            log.warning("ask.broke_off", reason=f"{type(error).__name__}: {error}")
            raise ModelError("the model's endpoint broke off its answer") from None

    async def _stream(self, model: str, messages: Sequence[Mapping[str, str]]) -> AsyncIterator[str]:
        body = {"model": model, "messages": messages, "max_tokens": self._config.answer_tokens, "stream": True}
        room = self._config.answer_tokens * 16  # a model that ignores its limit must not flood the caller
        async with self._client.stream("POST", "chat/completions", json=body) as response:
            self._check(response)
            async for chunk in _chunks(response):
                words = "".join(choice.delta.content or "" for choice in chunk.choices[:1])
                room -= len(words)
                if room < 0:
                    raise ModelError("the model says more than it was allowed to")
                if words:
                    yield words

    def _check(self, response: httpx2.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        if status == 429:
            pause_s = _retry_after_s(response.headers.get("retry-after", ""))
            self._not_before = asyncio.get_running_loop().time() + pause_s
            raise ModelError(
                f"the model's endpoint has had too many requests (429); it asks for a pause of {pause_s:g} s"
            )
        raise ModelError(_REFUSALS.get(status) or f"the model's endpoint answers {status}")


_REFUSALS = {
    401: "the model's endpoint does not take the key (401): look at FLEETFOLD_ASK_KEY or ask.key_file",
    403: "the model's endpoint refuses the key this (403)",
    404: "the model's endpoint has no such path or model (404): look at ask.url and ask.model",
    500: "the model's endpoint failed (500)",
    503: "the model's endpoint is overloaded or starting (503)",
}


async def _chunks(response: httpx2.Response) -> AsyncIterator[_Chunk]:
    """The server-sent events up to the end marker. Raises `ModelError` for an invalid or truncated stream."""
    ended = False
    async for line in _lines(response):
        if not line.startswith("data:"):
            continue  # a comment, an event's name, or the empty line between two
        data = line[5:].strip()
        if data == DONE:
            return
        try:
            chunk = _decoder.decode(data)
        except msgspec.DecodeError:
            raise ModelError("the model's endpoint sends what cannot be read") from None
        if chunk.error is not None:
            raise ModelError("the model's endpoint reports an error in the midst of its answer")
        ended = ended or any(choice.finish_reason for choice in chunk.choices)
        yield chunk
    if not ended:
        raise ModelError("the model's endpoint broke off its answer")


async def _lines(response: httpx2.Response) -> AsyncIterator[str]:
    """Lines of bounded length, so that an endpoint cannot exhaust memory."""
    held = ""
    async for text in response.aiter_text():
        *whole, held = (held + text).replace("\r\n", "\n").split("\n")
        for line in whole:
            yield line
        if len(held) > MOST_LINE_CHARS:
            raise ModelError("the model's endpoint sends what cannot be read")
    if held:
        yield held


def _silence(error: httpx2.TimeoutException, config: AnsweringConfig) -> str:
    import httpx2

    if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return "the model's endpoint cannot be reached in time"
    return f"the model's endpoint said nothing for {config.silence_s:g} s"


def _retry_after_s(value: str) -> float:
    """The seconds of a `Retry-After` header; None for a date."""
    seconds = whole_number(value.strip())
    return PAUSE_S if seconds is None else min(MOST_PAUSE_S, float(seconds))
