"""The units, the configuration of a cluster and its page: what the programs that read them say of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.pages import ROOT, blocks

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
PAGE = ROOT / "docs" / "how-to" / "cluster.md"
SERVERS = ("fleetfold-1", "fleetfold-2", "fleetfold-3")
MOST_EXPOSED = 25
"""`systemd-analyze security` counts up to 100 for a unit without any protection."""


def _analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("NOT PROVEN HERE: there is no systemd-analyze: `apt-get install systemd`")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def here(tmp_path: Path, nats_server: str) -> list[Path]:
    """The units, as for an installation in this test's environment."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "nats-server").symlink_to(nats_server)
    (programs / "fleetfold").symlink_to(Path(sys.executable).parent / "fleetfold")
    made = [tmp_path / unit.name.replace("@.", "@shop.") for unit in UNITS]
    for unit, file in zip(UNITS, made, strict=True):
        file.write_text(unit.read_text(encoding="utf-8").replace("/opt/fleetfold/bin", str(programs)))
    return made


def test_systemd_takes_every_unit_without_a_remark(here: list[Path]) -> None:
    said = _analyze("verify", "--man=no", *here)
    ours = [line for line in said.stderr.splitlines() if "fleetfold" in line]
    assert (said.returncode, ours) == (0, [])


def test_every_unit_is_hardened(here: list[Path]) -> None:
    for unit in here:
        said = _analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit)
        assert said.returncode == 0, f"{unit.name}: {said.stdout.splitlines()[-1:]}"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_again_for_ever_and_sends_no_sighup_to_a_daemon_of_ours(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    assert {"Restart=always", "StartLimitIntervalSec=0"} <= set(text.splitlines())
    assert "nats-server" in text or "ExecReload" not in text


@pytest.fixture
def cluster(tmp_path: Path, nats_server: str) -> tuple[Path, dict[str, str]]:
    """The folder in which the page's first commands were typed, and their environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{Path(nats_server).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "FLEETFOLD_STATE": str(tmp_path / "state")}
    first = next(block.text for block in blocks(PAGE) if block.language == "sh")
    subprocess.run(["sh", "-e"], input=first, cwd=tmp_path, env=env, text=True, check=True, capture_output=True)
    for name in ("nats.conf", "nats-cluster.conf"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path, env


@pytest.mark.parametrize("server", SERVERS)
def test_what_the_page_makes_is_a_valid_server_of_a_cluster(cluster: tuple[Path, dict[str, str]], server: str) -> None:
    place, env = cluster
    check = next(line for block in blocks(PAGE) for line in block.text.splitlines() if "nats-server -t" in line)
    said = subprocess.run(
        ["sh", "-ec", check], cwd=place, env={**env, "FLEETFOLD_SERVER": server}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert (place / "identity" / "routes.conf").stat().st_mode & 0o077 == 0


def test_a_server_without_a_name_or_without_its_routes_does_not_start(
    cluster: tuple[Path, dict[str, str]], nats_server: str
) -> None:
    place, env = cluster
    check = [nats_server, "-t", "-c", "nats-cluster.conf"]
    said = subprocess.run(check, cwd=place, env=env, capture_output=True, text=True, check=False)
    assert "FLEETFOLD_SERVER" in said.stderr
    (place / "identity" / "routes.conf").unlink()
    env = {**env, "FLEETFOLD_SERVER": "fleetfold-1"}
    said = subprocess.run(check, cwd=place, env=env, capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "identity/routes.conf" in said.stderr


def test_each_child_in_a_container_is_asked_whether_it_is_well() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for name in ("shop", "blog", "crm"):
        assert services[name]["healthcheck"]["test"][1:5] == ["fleetfold", "child", "--check", f"--name={name}"]


def test_the_compose_file_of_the_cluster_names_its_servers_alike() -> None:
    file = yaml.safe_load((ROOT / "docker-compose.cluster.yml").read_text(encoding="utf-8"))
    brokers = {name for name in file["services"] if name.startswith("broker")}
    urls = {service["environment"]["FLEETFOLD_URL"] for name, service in file["services"].items()
            if name not in brokers | {"routes"}}  # fmt: skip
    assert {frozenset(re.findall(r"nats://([\w-]+):4222", url)) for url in urls} == {frozenset(brokers)}
    names = [file["services"][name]["environment"]["FLEETFOLD_SERVER"] for name in brokers]
    assert len(set(names)) == len(SERVERS)
