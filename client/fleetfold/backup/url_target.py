"""Backups at a URL, by fsspec: `s3://bucket/fleet` and all else that it has a file system for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.urls import redacted_url

__all__ = ["UrlTarget"]

_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss"}


class UrlTarget:
    """The folder at `url`. Credentials and endpoints are those of the file system's own environment, such as
    `AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT_URL`.

    Object stores have no locks: `exclusive` keeps nobody out. That files of a backup under way are not deleted is the
    care of `retention`.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        scheme = self._scheme = url.partition("://")[0]
        self._shown = redacted_url(url)
        try:
            with self._translated():
                self._files, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            raise InvalidInput(
                f"target: {scheme}:// needs a package of fsspec's ({_remedy(scheme, error)}), or name a directory",
                field="target",
            ) from None
        except ValueError:
            raise InvalidInput(
                f"target: {self._shown}: fsspec has no {scheme}://; write s3://BUCKET/FOLDER, or a directory",
                field="target",
            ) from None

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        yield

    def scratch(self) -> Path | None:
        return None

    def names(self, folder: str = "") -> Iterator[str]:
        root = self._root.rstrip("/")
        with self._translated(), contextlib.suppress(FileNotFoundError):
            for path in sorted(self._files.find(self._path(folder) if folder else root)):
                yield path[len(root) :].lstrip("/")

    def size(self, name: str) -> int | None:
        with self._translated(), contextlib.suppress(FileNotFoundError):
            return int(self._files.info(self._path(name))["size"])
        return None

    def read(self, name: str) -> bytes:
        with self._translated():
            content: bytes = self._files.cat_file(self._path(name))
        return content

    def write(self, name: str, content: bytes) -> None:
        with self._translated():
            self._prepare(name)
            self._files.pipe_file(self._path(name), content)

    def put(self, name: str, source: Path) -> None:
        with self._translated():
            self._prepare(name)
            self._files.put_file(str(source), self._path(name))

    def fetch(self, name: str, place: Path) -> None:
        with self._translated():
            self._files.get_file(self._path(name), str(place))

    def delete(self, name: str) -> None:
        with self._translated(), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise what the file system and its libraries raise as `Unavailable`, but for a missing file."""
        try:
            yield
        except (FileNotFoundError, ImportError, ValueError):  # what the methods promise, or what `__init__` explains
            raise
        except Exception as error:  # noqa: BLE001 (each file system has errors of its own)
            why = " ".join(str(error).split())[:300] or type(error).__name__
            raise Unavailable(
                f"target: {self._shown} cannot be used: {why}; check its name, its credentials and the network"
            ) from None

    def _path(self, name: str) -> Any:
        return f"{self._root.rstrip('/')}/{name}"

    def _prepare(self, name: str) -> None:
        """Create the file's folder. Object stores have none, and one of a mistyped name would become a bucket."""
        if self._scheme not in _OBJECT_STORES:
            self._files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)


def _remedy(scheme: str, error: ImportError) -> str:
    return "pip install 'fleetfold[s3]'" if scheme in {"s3", "s3a"} else str(error)
