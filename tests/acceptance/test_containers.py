"""The image and the compose files, run by a real engine: up, healthy, search, kill, back.

Minutes, and only with FLEETFOLD_CONTAINERS=1, which `make thorough` sets.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.containers import CommandFailed, Engine, for_older_compose, running_engine
from support.pages import ROOT
from support.wait import eventually

pytestmark = pytest.mark.timeout(1800)

ONE, CLUSTER = "docker-compose.yml", "docker-compose.cluster.yml"
CHILDREN = ("shop", "blog", "crm")
BROKERS = ("broker", "broker-2", "broker-3")
WELL_S = 300.0


class Project:
    """A compose file, or two, with its containers."""

    def __init__(self, engine: Engine, place: Path, name: str, files: list[str]) -> None:
        self._engine, self._place, self._name = engine, place, name
        for file in files:
            (place / file).write_text(for_older_compose((ROOT / file).read_text(encoding="utf-8")))
        for file in ("nats.conf", "nats-cluster.conf"):
            shutil.copy(ROOT / file, place)
        self._words = ["docker-compose", "-p", name, *(word for file in files for word in ("-f", file))]

    def compose(self, *words: str) -> str:
        return self._engine.run(*self._words, *words, cwd=self._place)

    def health(self, service: str) -> str:
        state: dict[str, dict[str, str]] = self._engine.inspect(f"{self._name}_{service}_1")["State"]
        return state["Health"]["Status"]

    async def well(self, *services: str) -> None:
        await eventually(lambda: {self.health(service) for service in services} == {"healthy"}, WELL_S)

    def kill(self, service: str) -> None:
        """kill -9 from outside, as the kernel does it; `docker kill` would be a stop that is wanted."""
        os.kill(self._engine.inspect(f"{self._name}_{service}_1")["State"]["Pid"], signal.SIGKILL)

    def restarts(self, service: str) -> int:
        return int(self._engine.inspect(f"{self._name}_{service}_1")["RestartCount"])

    def signal(self, service: str, number: signal.Signals) -> None:
        """Send a signal to the daemon itself, which is the child of the container's init."""
        pid = self._engine.inspect(f"{self._name}_{service}_1")["State"]["Pid"]
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), number)

    def fleetfold(self, *words: str) -> str:
        return self._engine.run("docker", "exec", f"{self._name}_master_1", "fleetfold", *words)


@pytest.fixture(scope="module")
def image(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine, with the image that the Dockerfile makes."""
    with running_engine(tmp_path_factory.mktemp("docker"), nats_server) as engine:
        engine.run("docker", "build", "--network", "host", "-t", "fleetfold:local", str(ROOT))
        yield engine


@pytest.fixture(params=[[ONE], [ONE, CLUSTER]], ids=["one broker", "three brokers"])
def project(image: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    project = Project(image, tmp_path, "fleetfoldtest", request.param)
    try:
        project.compose("up", "-d", "--no-build")
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout", "1")


async def test_the_containers_come_up_are_well_answer_and_come_back_when_they_are_killed(project: Project) -> None:
    brokers = [service for service in BROKERS if service in project.compose("ps", "--services")]
    everybody = (*brokers, "master", *CHILDREN)
    await project.well(*everybody)

    def found() -> bool:
        try:
            answer = msgspec.json.decode(project.fleetfold("search", "a tent for a storm", "--json"))
        except CommandFailed:  # a part of the fleet, or all of it, is still on its way
            return False
        return {node["node"]: node["status"] for node in answer["nodes"]} == dict.fromkeys(CHILDREN, "ok")

    await eventually(found, WELL_S)
    for victim in ("shop", "master", "broker"):
        before = project.restarts(victim)
        await asyncio.to_thread(project.kill, victim)
        await eventually(lambda victim=victim, before=before: project.restarts(victim) > before, WELL_S)  # type: ignore[misc]
    await project.well(*everybody)
    await eventually(found, WELL_S)


async def test_a_child_that_hangs_is_not_healthy(project: Project) -> None:
    await project.well("master", *CHILDREN)
    project.signal("shop", signal.SIGSTOP)
    await eventually(lambda: project.health("shop") == "unhealthy", WELL_S)
    project.signal("shop", signal.SIGCONT)
    await project.well("shop")
