"""Embedders, which turn text into vectors. An embedder's name is sent with every search; equal names mean equal
vectors.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.text.embedder_names import DEFAULT_EMBEDDER

__all__ = ["DEFAULT_EMBEDDER", "Embedder", "load_embedder", "pack", "register_embedder", "unit_rows", "unpack"]

_MAX_TEXT_CHARS = 32_000  # the mean of this many words no longer moves
_BATCH = 256

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors. Must be thread-safe."""

    @property
    def name(self) -> str:
        """Name sent with every search; embedders of the same name return the same vectors."""

    @property
    def dimensions(self) -> int:
        """Number of dimensions of a vector."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors (len(texts) x dimensions, float32): rows of unit length, or of zeros for a text without
        content.

        A row depends on its text alone, never on its neighbours in the call.
        """


def pack(vector: NDArray[np.floating]) -> bytes:
    """Encode a vector (dimensions) as little-endian float32."""
    return np.asarray(vector, dtype="<f4").tobytes()


def unpack(data: bytes) -> Vectors:
    """Decode a vector (dimensions, float32). Raises `InvalidInput` for bytes that are not finite float32 numbers."""
    if len(data) % 4:
        raise InvalidInput(f"vector: {len(data)} bytes are not float32 numbers; send 4 bytes each", field="vector")
    vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise InvalidInput("vector: it holds a number that is not finite; embed the query again", field="vector")
    return vector


def unit_rows(rows: NDArray[np.floating]) -> Vectors:
    """Scale each row (n x dimensions) to unit length; rows that are zero or not finite become zeros."""
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    norms = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1, keepdims=True))
    sound = np.isfinite(norms) & (norms > 1e-12)
    return np.where(sound, rows / np.where(sound, norms, 1.0), 0.0).astype(np.float32)


class _WordLlama:
    """WordLlama: means of 256-dimensional token vectors. NumPy only, with weights and tokenizer of the installed
    wheel.
    """

    name = DEFAULT_EMBEDDER
    dimensions = 256

    def __init__(self) -> None:
        wordllama = _import_wordllama()
        model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
        self._vectors: Vectors = model.embedding
        self._tokenizer = model.tokenizer
        self._tokenizer.no_padding()  # we pool without it: one long text must not make its neighbours long

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            self._embed_batch([text[:_MAX_TEXT_CHARS] for text in texts[start : start + _BATCH]], rows[start:])
        return unit_rows(rows)

    def _embed_batch(self, texts: list[str], rows: Vectors) -> None:
        for row, encoded in zip(rows, self._tokenizer.encode_batch(texts, add_special_tokens=False), strict=False):
            if encoded.ids:
                self._vectors[np.minimum(encoded.ids, len(self._vectors) - 1)].mean(axis=0, out=row)


def _import_wordllama() -> Any:
    with _root_logger_untouched():
        import wordllama
    return wordllama


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """Restore the root logger's configuration, which importing wordllama changes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


_lock = threading.RLock()  # importing an embedder may register it
_factories: dict[str, Callable[[], Embedder]] = {DEFAULT_EMBEDDER: _WordLlama}
_loaded: dict[str, Embedder] = {}


def register_embedder(name: str, factory: Callable[[], Embedder]) -> None:
    """Register an embedder by `name`; `factory` is called once, at the first use."""
    with _lock:
        _factories[name] = factory
        _loaded.pop(name, None)


def load_embedder(name: str = DEFAULT_EMBEDDER) -> Embedder:
    """Return the embedder of that name, loaded once per process.

    `name` is a registered one, or `module:object`, where the object is an embedder or makes one when called. Raises
    `InvalidInput` for an unknown name.
    """
    with _lock:
        if name not in _loaded:
            _loaded[name] = _factory(name)()
        return _loaded[name]


def _factory(name: str) -> Callable[[], Embedder]:
    if name in _factories:
        return _factories[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        known = ", ".join(sorted(_factories))
        raise InvalidInput(f"embedder: {name!r} is not known; use one of {known}, or module:object", field="embedder")
    return lambda: _imported(name, module, attribute)


def _imported(name: str, module: str, attribute: str) -> Embedder:
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidInput(f"embedder: {name!r} cannot be imported: {error}", field="embedder") from None
    if isinstance(found, type) or not hasattr(found, "embed"):
        try:
            found = found()
        except TypeError as error:
            raise InvalidInput(f"embedder: {name!r} does not make one: {error}", field="embedder") from None
    if not hasattr(found, "embed"):
        raise InvalidInput(f"embedder: {name!r} has no method `embed`", field="embedder")
    return cast("Embedder", found)
