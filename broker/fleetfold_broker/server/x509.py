"""Private certificate authority: X.509 certificates for a fleet's brokers and clients.

The profile is RFC 5280, strictly, as Python 3.13 requires. A server's certificate is not valid for a client, nor the
other way round. Made with `cryptography`; trustme, built on it, makes CAs that never expire.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fleetfold_shared.errors import Conflict, InvalidInput

__all__ = ["Authority", "Pem", "checked", "hosts_of", "still_good"]

CA_DAYS = 3650
SKEW = timedelta(hours=1)
"""Allowed clock difference: certificates are valid from this long before their creation."""
SIGNS_CERTIFICATES, SIGNS = {"key_cert_sign", "crl_sign"}, {"digital_signature"}
_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
_DNS = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class Pem(msgspec.Struct, frozen=True):
    """A certificate and its private key in PEM, and its end in Unix seconds."""

    cert: bytes
    key: bytes
    until: float

    def __repr__(self) -> str:
        """Return a text without the key."""
        return f"Pem(until={self.until:.0f})"


class Authority:
    """A CA: its certificate, and the key it signs with."""

    def __init__(self, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @classmethod
    def create(cls) -> Authority:
        """Create a CA for ten years, with a random name, so that CAs cannot be confused."""
        key = generate_private_key(SECP256R1())
        name = _name(f"fleetfold CA {secrets.token_hex(4)}")
        builder = _builder(name, name, key, SIGNS_CERTIFICATES, _until(CA_DAYS))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, cert: bytes, key: bytes) -> Authority:
        """Load a CA from PEM. Raises `InvalidInput` when the files are damaged or do not belong together."""
        try:
            certificate, private = x509.load_pem_x509_certificate(cert), load_pem_private_key(key, None)
        except (ValueError, TypeError):
            raise InvalidInput("ca.pem or ca.key is damaged; make another CA in another --directory") from None
        if not isinstance(private, EllipticCurvePrivateKey) or private.public_key() != certificate.public_key():
            raise InvalidInput("ca.key is not the key of ca.pem; put the right one there, or use another --directory")
        return cls(certificate, private)

    @property
    def pem(self) -> Pem:
        """The CA's certificate and key in PEM."""
        return _pem(self._certificate, self._key)

    def server(self, hosts: Sequence[str], days: int) -> Pem:
        """Issue a broker's certificate for the names and addresses `hosts`; it ends no later than the CA."""
        alternative = [_alternative(checked(host)) for host in hosts]
        return self._issue(_name("fleetfold broker"), ExtendedKeyUsageOID.SERVER_AUTH, alternative, days)

    def client(self, name: str, days: int) -> Pem:
        """Issue a client's certificate; `name` is a slug."""
        return self._issue(_name(name), ExtendedKeyUsageOID.CLIENT_AUTH, [x509.DNSName(name)], days)

    def _issue(
        self, subject: x509.Name, use: x509.ObjectIdentifier, alternative: list[x509.GeneralName], days: int
    ) -> Pem:
        end = self._certificate.not_valid_after_utc
        if end <= datetime.now(UTC):
            raise Conflict(f"the CA has expired on {end:%Y-%m-%d}; make another in another --directory")
        key = generate_private_key(SECP256R1())
        identifier = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        certificate = (
            _builder(subject, self._certificate.subject, key, SIGNS, min(_until(days), end))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(certificate, key)


def checked(host: str) -> str:
    """Return `host` as a certificate spells it. Raises `InvalidInput` for anything but a DNS name or an IP address."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        name = host.lower()
    if not _DNS.fullmatch(name) or len(name) > 253:
        raise InvalidInput(
            f"host: {host[:80]!r} is neither a DNS name nor an IP address; give it without scheme, port and brackets, "
            "and a name with other letters as xn--...",
            field="host",
        )
    return name


def hosts_of(cert: bytes) -> list[str]:
    """Return the names and addresses a certificate is for. Raises `ValueError` for anything else than a certificate."""
    extensions = x509.load_pem_x509_certificate(cert).extensions
    alternative = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = alternative.get_values_for_type(x509.IPAddress)
    return [*alternative.get_values_for_type(x509.DNSName), *map(str, addresses)]


def still_good(cert: bytes, key: bytes, ca: bytes, days: int) -> bool:
    """Tell whether `cert` and `key` belong together, `ca` has signed them, and they are valid for `days` more."""
    try:
        certificate, private = x509.load_pem_x509_certificate(cert), load_pem_private_key(key, None)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return private.public_key() == certificate.public_key() and certificate.not_valid_after_utc > _until(days)


def _alternative(host: str) -> x509.GeneralName:
    """Return the general name of a host that passed `checked`."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _until(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, uses: set[str], until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - SKEW)
        .not_valid_after(until)
        .add_extension(x509.KeyUsage(**{use: use in uses for use in _USES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> Pem:
    return Pem(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.not_valid_after_utc.timestamp(),
    )
