"""TLS to the broker: a client's `SSLContext`, a server's `tls` block, and one sentence for each failure."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.urls import redacted_url

__all__ = ["ClosedAfterHandshake", "ServerTls", "TlsFiles", "TlsNotOffered", "client_context", "explain"]


class TlsFiles(msgspec.Struct, frozen=True):
    """Paths of a client's PEM files.

    `ca` verifies the broker's certificate (`None`: the system's CAs). `cert` and `key` are presented to a broker that
    asks for a client certificate; `key` may be in the file of `cert`.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None


class ServerTls(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of a server's PEM files. With `verify`, clients must present a certificate signed by `ca`."""

    cert: str
    key: str
    ca: str | None = None
    verify: bool = False

    def __post_init__(self) -> None:
        """Raise `InvalidInput` for `verify` without `ca`: the server would accept certificates of every public CA."""
        if self.verify and self.ca is None:
            raise InvalidInput("tls.ca: name the CA that signs the clients' certificates", field="tls.ca")

    def config(self) -> str:
        """Return the `tls` block of a nats-server's configuration. Paths are made absolute, because the server's
        working folder differs.
        """
        lines = [f"cert_file: {_quoted(self.cert)}", f"key_file: {_quoted(self.key)}"]
        if self.ca is not None:
            lines.append(f"ca_file: {_quoted(self.ca)}")
        if self.verify:
            lines.append("verify: true")
        lines.append('min_version: "1.3"')
        return "\n".join(["tls {", *(f"  {line}" for line in lines), "}\n"])


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Build a context that verifies the broker's certificate and host; TLS 1.3, at least 1.2.

    Reads the files. Raises `InvalidInput` for `tls.ca`, `tls.cert` or `tls.key`, with the path that is missing or
    damaged.
    """
    context = _trusting(files.ca, "tls.ca")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.cert is not None:
        _show(context, files.cert, files.key)
    elif files.key is not None:
        raise InvalidInput(f"tls.cert: name the certificate that {files.key} is the key of", field="tls.cert")
    return context


def _trusting(path: str | None, field: str) -> ssl.SSLContext:
    if path is not None:
        _readable(path, field)
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise InvalidInput(f"{field}: {path} holds no certificate in PEM", field=field) from None


def _show(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    _readable(cert, "tls.cert")
    if key is not None:
        _readable(key, "tls.key")

    def password() -> NoReturn:  # without a callback, OpenSSL prompts on the terminal
        raise InvalidInput(f"tls.key: {key or cert} is locked by a password; give one that is not", field="tls.key")

    try:
        context.load_cert_chain(cert, key, password)
    except ssl.SSLError as error:
        _trusting(cert, "tls.cert")  # raises if the certificate is at fault; otherwise the key is
        what = f"is not the key of {cert}" if error.reason == "KEY_VALUES_MISMATCH" else "holds no private key in PEM"
        raise InvalidInput(f"tls.key: {key or cert} {what}", field="tls.key") from None


def _readable(path: str, field: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"{field}: {path} cannot be read: {error.strerror}; `fleetfold certs` makes such files", field=field
        ) from None


def _quoted(path: str) -> str:
    return msgspec.json.encode(str(Path(path).absolute())).decode()


class TlsNotOffered(ConnectionError):
    """The broker did not offer the required TLS; nothing was sent to it."""


class ClosedAfterHandshake(ConnectionError):
    """The broker closed the connection after the TLS handshake, without an error message."""


def explain(error: BaseException, url: str) -> str | None:
    """Explain in one sentence what failed in TLS at `url` and what to do; `None` if the error is not of TLS."""
    reason = _reason(error)
    return reason and f"the broker at {redacted_url(url)} {reason.replace('{host}', urlsplit(url).hostname or url)}"


def _reason(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY.get(error.verify_code) or f"shows a certificate that does not hold: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        name = getattr(error, "reason", None) or ""  # asyncio's own have none
        return _ALERTS.get(name.rpartition("_ALERT_")[2]) or f"and this side do not agree on TLS ({name or error})"
    return next((text for kind, text in _OURS.items() if isinstance(error, kind)), None)


_UNKNOWN_CA = (
    "shows a certificate that is signed by a CA that is not known here; "
    "give its certificate with --ca FILE or FLEETFOLD_TLS_CA"
)
_WRONG_HOST = (
    "shows a certificate that is not for {host}; use a name that is in it, "
    "or make one with `fleetfold certs --force --host {host}` on the broker's machine"
)
_MAKE_ONE = (
    "make one with `fleetfold certs --client NAME` where its CA is, and give it with FLEETFOLD_TLS_CERT and "
    "FLEETFOLD_TLS_KEY"
)
_NO_CERTIFICATE = f"asks for a client certificate; {_MAKE_ONE}"
_NOT_TAKEN = f"does not take this side's certificate ({{why}}); {_MAKE_ONE}"
_CUT_OFF = f"closed the connection after the TLS handshake; if it asks for a client certificate, {_MAKE_ONE}"
_VERSION = "and this side have no version of TLS in common; it asks for 1.3: use a newer Python or OpenSSL"
_NO_TLS = "does not speak TLS, so nothing was sent to it; turn its TLS on, or use a nats:// URL without --ca"

_VERIFY = {
    9: "shows a certificate that is not valid yet; set the clocks right",
    10: "shows a certificate that has expired; make a new one with `fleetfold certs --force` on the broker's machine",
    18: _UNKNOWN_CA,  # self-signed
    19: _UNKNOWN_CA,  # self-signed, in the chain
    20: _UNKNOWN_CA,  # no issuer
    21: _UNKNOWN_CA,  # a leaf alone
    62: _WRONG_HOST,
    64: _WRONG_HOST,  # an IP address
}
"""Texts by OpenSSL's X509_V_ERR_* code: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/"""

_ALERTS = {
    "CERTIFICATE_REQUIRED": _NO_CERTIFICATE,
    "HANDSHAKE_FAILURE": _NO_CERTIFICATE,  # what TLS 1.2 says instead
    "BAD_CERTIFICATE": _NOT_TAKEN.replace("{why}", "it is not good"),
    "CERTIFICATE_EXPIRED": _NOT_TAKEN.replace("{why}", "it has expired"),
    "CERTIFICATE_UNKNOWN": _NOT_TAKEN.replace("{why}", "it is not good"),
    "UNKNOWN_CA": _NOT_TAKEN.replace("{why}", "another CA has signed it"),
    "UNSUPPORTED_CERTIFICATE": _NOT_TAKEN.replace("{why}", "it is not for clients"),
    "PROTOCOL_VERSION": _VERSION,
    "NO_PROTOCOLS_AVAILABLE": _VERSION,
    "UNSUPPORTED_PROTOCOL": _VERSION,
    "WRONG_VERSION_NUMBER": _NO_TLS,
}
"""Texts by the last part of OpenSSL's reason: `TLSV13_ALERT_CERTIFICATE_REQUIRED`. Alerts are sent by the other side.
"""

_OURS: dict[type[BaseException], str] = {TlsNotOffered: _NO_TLS, ClosedAfterHandshake: _CUT_OFF}
