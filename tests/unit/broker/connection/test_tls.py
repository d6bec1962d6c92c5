"""TLS without a network: which file is at fault, what a server is told, and what the certificates hold."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import DNSName, load_pem_x509_certificate
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from fleetfold_broker import server
from fleetfold_broker.connection.tls import ServerTls, TlsFiles, TlsNotOffered, client_context, explain
from fleetfold_broker.server.certificates import RENEW_DAYS, ensure, make
from fleetfold_broker.server.x509 import Authority, hosts_of, still_good
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.commands.certs import certs
from fleetfold_cli.parsing.common_options import OutputOptions
from fleetfold_shared.errors import Conflict, InvalidInput, Unavailable

URL = "tls://ann:secret@fold.example:4222"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a CA, a server's certificate and one for `shop`; not to be changed."""
    directory = tmp_path_factory.mktemp("there") / "tls"
    make(directory, ["fold.example"], clients=["shop"])
    return directory


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_client_checks_the_certificate_and_its_host(place: Path) -> None:
    context = client_context(TlsFiles(ca=str(place / "ca.pem")))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert [ca["subject"] for ca in context.get_ca_certs()] == [ca["issuer"] for ca in context.get_ca_certs()]
    assert len(context.get_ca_certs()) == 1  # the system's are not trusted beside it


def test_without_a_ca_the_systems_are_trusted() -> None:
    assert client_context(TlsFiles()).cert_store_stats() == ssl.create_default_context().cert_store_stats()


@pytest.mark.parametrize(
    ("files", "field", "says"),
    [
        ({"ca": "nowhere.pem"}, "tls.ca", "cannot be read"),
        ({"ca": "."}, "tls.ca", "Is a directory"),
        ({"ca": "text"}, "tls.ca", "no certificate"),
        ({"cert": "nowhere.pem", "key": "client-shop.key"}, "tls.cert", "cannot be read"),
        ({"cert": "text", "key": "client-shop.key"}, "tls.cert", "no certificate"),
        ({"cert": "client-shop.pem", "key": "nowhere.key"}, "tls.key", "cannot be read"),
        ({"cert": "client-shop.pem", "key": "text"}, "tls.key", "no private key"),
        ({"cert": "client-shop.pem"}, "tls.key", "no private key"),
        ({"cert": "client-shop.pem", "key": "server.key"}, "tls.key", "is not the key of"),
        ({"key": "client-shop.key"}, "tls.cert", "name the certificate"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named(
    place: Path, tmp_path: Path, files: dict[str, str], field: str, says: str
) -> None:
    (tmp_path / "text").write_text("not PEM")
    paths = {kind: str((tmp_path if name == "text" else place) / name) for kind, name in files.items()}
    with pytest.raises(InvalidInput) as refused:
        client_context(TlsFiles(**paths))
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")
    assert says in refused.value.message
    assert "\n" not in refused.value.message


def test_a_key_under_a_password_is_refused_and_nobody_is_asked(place: Path, tmp_path: Path) -> None:
    key = load_pem_private_key((place / "client-shop.key").read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(InvalidInput, match="locked by a password"):
        client_context(TlsFiles(cert=str(place / "client-shop.pem"), key=str(locked)))


def test_a_certificate_and_its_key_may_stand_in_one_file(place: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes((place / "client-shop.pem").read_bytes() + (place / "client-shop.key").read_bytes())
    client_context(TlsFiles(cert=str(both)))


def test_a_real_server_accepts_the_block_whatever_the_paths_are(nats_server: str, tmp_path: Path) -> None:
    directory = tmp_path / 'a "b" \\ {c} é'
    tls, ca = ensure(directory)
    mutual = ServerTls(cert=tls.cert, key=tls.key, ca=str(ca), verify=True)
    config = tmp_path / "nats.conf"
    for block in (tls.config(), mutual.config()):
        config.write_text(f'listen: "127.0.0.1:4222"\n{block}', encoding="utf-8")
        said = subprocess.run([nats_server, "-t", "-c", str(config)], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
    assert "verify: true" in mutual.config()
    assert "verify" not in tls.config()


def test_a_server_does_not_take_the_certificates_of_all_the_world() -> None:
    with pytest.raises(InvalidInput, match=r"tls\.ca"):
        ServerTls(cert="server.pem", key="server.key", verify=True)


def test_an_explanation_hides_the_password_and_is_given_for_tls_alone() -> None:
    said = explain(TlsNotOffered(), URL)
    assert said is not None
    assert said.startswith("the broker at tls://fold.example:4222 does not speak TLS")
    assert explain(ConnectionRefusedError(), URL) is None
    assert explain(TimeoutError(), URL) is None
    unheard_of = explain(ssl.SSLError(1, "something new"), URL)
    assert unheard_of is not None
    assert "something new" in unheard_of


def test_keys_are_for_their_owner_alone(place: Path) -> None:
    modes = {path.name: _mode(path) for path in place.iterdir() if not path.name.startswith(".")}
    assert modes.pop("ca.pem") == 0o644
    assert set(modes) == {"ca.key", "server.pem", "server.key", "client-shop.pem", "client-shop.key"}
    assert set(modes.values()) == {0o600}
    assert _mode(place) == 0o700


def test_a_servers_certificate_cannot_pass_for_a_clients(place: Path) -> None:
    ca, server, client = (
        load_pem_x509_certificate((place / f"{name}.pem").read_bytes()) for name in ("ca", "server", "client-shop")
    )
    policy = PolicyBuilder().store(Store([ca]))
    clients = policy.build_client_verifier()
    policy.build_server_verifier(DNSName("fold.example")).verify(server, [])
    clients.verify(client, [])
    with pytest.raises(VerificationError, match="EKU"):
        clients.verify(server, [])
    with pytest.raises(VerificationError, match="EKU"):
        policy.build_server_verifier(DNSName("shop")).verify(client, [])


def test_the_ca_stays_when_the_certificates_are_made_again(tmp_path: Path) -> None:
    first = make(tmp_path, [])
    ca, server = (tmp_path / "ca.pem").read_bytes(), (tmp_path / "server.pem").read_bytes()
    second = make(tmp_path, ["Fold.example", "10.0.0.7", "::2"], force=True)
    assert (first.new_ca, second.new_ca) == (True, False)
    assert (tmp_path / "ca.pem").read_bytes() == ca
    renewed = (tmp_path / "server.pem").read_bytes()
    assert renewed != server
    assert still_good(renewed, (tmp_path / "server.key").read_bytes(), ca, 824)
    assert {"localhost", "127.0.0.1", "::1", "fold.example", "10.0.0.7", "::2"} <= set(hosts_of(renewed))


def test_what_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    make(tmp_path, [], clients=["shop"])
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    for hosts, clients in (([], []), (["fold.example"], ["blog"]), ([], ["shop"])):
        with pytest.raises(Conflict, match="--force"):
            make(tmp_path, hosts, clients=clients)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def test_another_client_leaves_the_servers_certificate_alone(tmp_path: Path) -> None:
    make(tmp_path, [])
    server = (tmp_path / "server.pem").read_bytes()
    assert make(tmp_path, [], clients=["shop"]).server is None
    assert (tmp_path / "server.pem").read_bytes() == server


@pytest.mark.parametrize(
    "host", ["", "a b", "tls://fold.example", "fold.example:4222", "[::1]", "é.example", "a" * 254]
)
def test_a_host_that_is_none_is_refused_before_anything_is_made(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidInput, match="host: "):
        make(tmp_path / "tls", [host])
    assert not (tmp_path / "tls").exists()


def test_a_clients_name_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="client: "):
        make(tmp_path / "tls", [], clients=["../shop"])


def test_a_ca_without_its_key_or_with_anothers_makes_nothing(tmp_path: Path) -> None:
    make(tmp_path, [])
    (tmp_path / "ca.key").write_bytes(Authority.create().pem.key)
    with pytest.raises(InvalidInput, match="not the key of"):
        make(tmp_path, [], force=True)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(Conflict, match=r"without ca\.key"):
        make(tmp_path, [], force=True)


def test_what_a_broker_needs_is_made_once(tmp_path: Path) -> None:
    tls, ca = ensure(tmp_path, ["fold.example"])
    made = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    assert ensure(tmp_path, ["FOLD.example", "0:0:0:0:0:0:0:1"]) == (tls, ca)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == made


def test_brokers_that_start_at_once_share_one_ca(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(ensure, tmp_path) for _ in range(4)]:
            made.result()
    cert, key, ca = ((tmp_path / name).read_bytes() for name in ("server.pem", "server.key", "ca.pem"))
    assert still_good(cert, key, ca, 800)


def test_without_the_package_that_makes_them_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.delitem(sys.modules, "fleetfold_broker.server.x509")
    monkeypatch.delattr(server, "x509")
    with pytest.raises(Unavailable, match=r"fleetfold\[master\]"):
        make(tmp_path, [])


@pytest.mark.parametrize("spoilt", ["ends soon", "another key", "another CA", "no key"])
def test_a_certificate_that_no_longer_serves_is_renewed(tmp_path: Path, spoilt: str) -> None:
    ensure(tmp_path, ["fold.example"])
    cert, key, ca = (tmp_path / name for name in ("server.pem", "server.key", "ca.pem"))
    if spoilt == "ends soon":
        pem = Authority.load(ca.read_bytes(), (tmp_path / "ca.key").read_bytes()).server(["fold.example"], RENEW_DAYS)
        cert.write_bytes(pem.cert)
        key.write_bytes(pem.key)
    elif spoilt == "another key":  # killed between the two files
        key.write_bytes(Authority.create().pem.key)
    elif spoilt == "another CA":
        cert.write_bytes(Authority.create().server(["fold.example"], 800).cert)
    else:
        key.unlink()
    ensure(tmp_path, ["fold.example"])
    assert still_good(cert.read_bytes(), key.read_bytes(), ca.read_bytes(), 800)


def test_a_new_host_joins_those_a_certificate_is_for(tmp_path: Path) -> None:
    ensure(tmp_path, ["one.example"])
    ensure(tmp_path, ["two.example"])
    assert {"one.example", "two.example", "localhost"} <= set(hosts_of((tmp_path / "server.pem").read_bytes()))


def test_where_the_cas_key_is_kept_elsewhere_the_files_are_used_as_they_are(tmp_path: Path) -> None:
    ensure(tmp_path)
    (tmp_path / "ca.key").unlink()
    server = (tmp_path / "server.pem").read_bytes()
    ensure(tmp_path, ["new.example"])
    assert (tmp_path / "server.pem").read_bytes() == server


def test_no_certificate_outlives_its_ca() -> None:
    authority = Authority.create()
    assert authority.server(["localhost"], 36_500).until == authority.pem.until
    assert authority.pem.key.decode() not in repr(authority.pem)


def test_the_command_says_what_it_has_made_and_no_key(tmp_path: Path) -> None:
    out = StringIO()
    terminal = Terminal(out, StringIO(), StringIO())
    certs(directory=tmp_path, host=("fold.example",), client=("shop",), terminal=terminal)
    assert "ca.pem" in out.getvalue()
    assert "fold.example; until " in out.getvalue()
    out.truncate(0)
    out.seek(0)
    certs(directory=tmp_path, client=("blog",), output=OutputOptions(json=True), terminal=terminal)
    said = json.loads(out.getvalue())
    assert (said["server"], [each["names"] for each in said["clients"]]) == (None, [["blog"]])
    assert "PRIVATE" not in out.getvalue()
