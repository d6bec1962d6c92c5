"""A Docker engine of the test's own, and images for it that no registry was asked for.

The images that the project's files name, `python:3.11-slim` and `nats:2.15-alpine`, are made `FROM scratch` here: of
Debian's Python, put together by debootstrap, and of the nats-server and Busybox of this machine. So the Dockerfile and
the compose files are run as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

__all__ = ["CommandFailed", "Engine", "for_older_compose", "running_engine"]

WANTED = "FLEETFOLD_CONTAINERS"
PROGRAMS = ("dockerd", "docker", "docker-compose", "debootstrap", "busybox")
PACKAGES = "apt-get install --no-install-recommends docker.io docker-compose iptables debootstrap busybox-static"
MIRROR = "http://deb.debian.org/debian"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
UP_S = 60.0
PYTHON = f"FROM scratch\nADD rootfs.tar /\nENV PIP_CERT=/{AUTHORITIES}\n"
NATS = """\
FROM scratch
COPY nats-server /usr/local/bin/nats-server
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ENTRYPOINT ["nats-server"]
"""


class CommandFailed(Exception):
    """A command ended with another code than 0."""


class Engine:
    """A `dockerd` with all its files in `place`; it leaves another engine of the machine alone."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{place}/docker.sock", "DOCKER_BUILDKIT": "0"}
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with the storage driver that works here: overlay2, else vfs."""
        for driver in ("overlay2", "vfs"):
            if self._started(driver):
                return
        pytest.skip(f"NOT PROVEN HERE: dockerd does not start: {(self._place / 'log').read_text()[-500:]}")

    def stop(self) -> None:
        """Stop it, and wait for its end."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(UP_S)

    def run(self, *words: str, cwd: Path | None = None) -> str:
        """Run a command against it; returns what it printed. Raises `CommandFailed` with what it said."""
        done = subprocess.run(words, cwd=cwd, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"{words}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of a container."""
        [found] = msgspec.json.decode(self.run("docker", "inspect", container))
        return dict(found)

    def make_base_images(self, nats_server: str) -> None:
        """Make the two images that a registry would have."""
        python, nats = self._place / "python", self._place / "nats"
        root = python / "root"
        self.run(
            "debootstrap", "--variant=minbase", "--include=python3-venv,ca-certificates", "bookworm", str(root), MIRROR
        )
        (root / "usr/bin/python").symlink_to("python3")
        shutil.copy(Path("/") / AUTHORITIES, root / AUTHORITIES)  # a proxy on the way to PyPI may have its own
        self.run("tar", "-C", str(root), "-cf", str(python / "rootfs.tar"), ".")
        shutil.rmtree(root)
        (python / "Dockerfile").write_text(PYTHON)
        nats.mkdir()
        shutil.copy(Path(nats_server).resolve(), nats / "nats-server")
        shutil.copy(shutil.which("busybox") or "", nats / "busybox")
        (nats / "Dockerfile").write_text(NATS)
        self.run("docker", "build", "-t", "python:3.11-slim", str(python))
        self.run("docker", "build", "-t", "nats:2.15-alpine", str(nats))

    def _started(self, driver: str) -> bool:
        with (self._place / "log").open("wb") as log:
            self._daemon = subprocess.Popen(
                ["dockerd", "--data-root", self._place / "data", "--exec-root", self._place / "exec", "--bridge=none",
                 "-H", f"unix://{self._place}/docker.sock", "-p", self._place / "pid", "--storage-driver", driver],
                stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + UP_S
        while self._daemon.poll() is None and time.monotonic() < deadline:
            said = subprocess.run(["docker", "info"], env=self.environment, capture_output=True, check=False)
            if said.returncode == 0 and b"Server Version" in said.stdout:
                return True
            time.sleep(0.1)
        self.stop()
        return False


def for_older_compose(text: str) -> str:
    """A compose file for docker-compose 1.29, Debian's: without the two things that came after it.

    They are the project's `name`, which is given with `-p`, and the `start_interval` of a health check, which takes
    the place of its `interval`.
    """
    file: dict[str, Any] = yaml.safe_load(text)
    file.pop("name", None)
    for service in file["services"].values():
        check = service.get("healthcheck", {})
        if "start_interval" in check:
            check["interval"] = check.pop("start_interval")
    return str(yaml.safe_dump(file, width=100_000))


def _missing(environment: Mapping[str, str]) -> str:
    """Why there are no containers here; empty when there are."""
    if environment.get(WANTED) != "1":
        return f"set {WANTED}=1 for them, or run `make thorough`; it takes minutes"
    if os.geteuid() != 0:
        return "dockerd has to be started by root"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"there is no {', '.join(absent)}: `{PACKAGES}`" if absent else ""


@contextmanager
def running_engine(place: Path, nats_server: str) -> Iterator[Engine]:
    """An engine that has the images which the project's files name. Skips the test where there can be none."""
    if why := _missing(os.environ):
        pytest.skip(f"NOT PROVEN HERE: containers: {why}")
    engine = Engine(place)
    engine.start()
    try:
        engine.make_base_images(nats_server)
        yield engine
    finally:
        engine.stop()
