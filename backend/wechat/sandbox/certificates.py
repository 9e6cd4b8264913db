"""A certificate authority made at start, its server certificate, and one for each merchant."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .store import Store

LIFE: Final = dt.timedelta(days=1825)


@dataclass(frozen=True)
class Pair:
    """A certificate with its private key, both PEM."""

    certificate_pem: str
    private_key_pem: str


class Authority:
    """Signs for the sandbox's own TLS and for merchants. Nobody else has reason to trust it."""

    def __init__(self, store: Store) -> None:
        kept = store.load("authority")
        if kept:
            self.root = Pair(**kept[0]["root"])
            self._load()
        else:
            self._make()
            store.save("authority", "root", {"root": vars(self.root)})

    def _load(self) -> None:
        key = serialization.load_pem_private_key(self.root.private_key_pem.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the sandbox's authority holds an elliptic-curve key")
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(self.root.certificate_pem.encode())

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Sandbox CA (development only)")
        builder = _builder(name, name, key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        self._key = key
        self._certificate = builder.sign(key, hashes.SHA256())
        self.root = Pair(_pem(self._certificate), _key_pem(key))

    def issue_server(self, hosts: list[str]) -> Pair:
        """A certificate for a listener on these names and addresses."""
        names: list[x509.GeneralName] = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        return self._issue(hosts[0], ExtendedKeyUsageOID.SERVER_AUTH, names)

    def issue_client(self, mch_id: str) -> Pair:
        """The certificate a merchant refunds with; its common name is the merchant's number."""
        return self._issue(mch_id, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def issue_signer(self, mch_id: str) -> Pair:
        """The RSA certificate a merchant signs API v3 with, as WeChat's are."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._issue(mch_id, ExtendedKeyUsageOID.CLIENT_AUTH, [], key)

    def _issue(
        self,
        common_name: str,
        use: x509.ObjectIdentifier,
        names: list[x509.GeneralName],
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    ) -> Pair:
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), self._certificate.subject, key.public_key())
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LIFE)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
