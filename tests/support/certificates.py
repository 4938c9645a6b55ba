"""A certificate authority for tests, made anew in each run."""

import datetime
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from proxy.net.tls import TlsFiles

_DAY = datetime.timedelta(days=1)
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
AUTHORITYS_USE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass
class Authority:
    """Issues certificates into ``folder``; ``ca`` is the path of the root's own.

    With a ``parent`` it is an intermediate one, which stands behind each certificate
    that it issues.
    """

    folder: Path
    stem: str = "ca"
    parent: "Authority | None" = None

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"Waypost test authority {self.stem}")
        above = self.parent or self
        self.certificate = (
            above._builder(self._name, self._key)
            .add_extension(
                x509.BasicConstraints(ca=True, path_length=None), critical=True
            )
            .add_extension(AUTHORITYS_USE, critical=True)
            .sign(above._key, hashes.SHA256())
        )
        own = self._write(f"{self.stem}.pem", self.certificate.public_bytes(_PEM))
        self.ca = self.parent.ca if self.parent else own

    def issue(
        self,
        *names: str,
        valid_for: datetime.timedelta = _DAY,
        valid_in: datetime.timedelta = -3 * _DAY,
        common: str | None = None,
        usage: x509.ObjectIdentifier | None = None,
        passphrase: bytes | None = None,
    ) -> TlsFiles:
        """A certificate for DNS names, addresses or SIP URIs, as files.

        Trusts this authority.  A negative ``valid_for`` gives one that has expired, a
        positive ``valid_in`` one that is not valid yet.  Without names it has its
        ``common`` name only.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common or names[0])
        builder = self._builder(subject, key, valid_for, valid_in)
        if names:
            alternatives = [_alternative(name) for name in names]
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), critical=False
            )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        certificate = builder.sign(self._key, hashes.SHA256())
        stem = f"{certificate.serial_number:x}"
        encryption = (
            serialization.BestAvailableEncryption(passphrase)
            if passphrase
            else serialization.NoEncryption()
        )
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, encryption)
        chain = certificate.public_bytes(_PEM)
        if self.parent:
            chain += self.certificate.public_bytes(_PEM)
        return TlsFiles(
            certificate=self._write(f"{stem}.pem", chain),
            key=self._write(f"{stem}.key", private),
            ca=self.ca,
        )

    def with_revocations(self, *revoked: TlsFiles) -> str:
        """The path of a file with this authority and its revocation list."""
        found = [self._serial(files) for files in revoked]
        crl = self.revocation_list(*found)
        return self._write(f"{self.stem}-crl.pem", Path(self.ca).read_bytes() + crl)

    @staticmethod
    def _serial(files: TlsFiles) -> int:
        assert files.certificate is not None
        text = Path(files.certificate).read_bytes()
        return x509.load_pem_x509_certificate(text).serial_number

    def revocation_list(self, *serials: int) -> bytes:
        """A list of this authority's, as PEM."""
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - _DAY)
            .next_update(now + _DAY)
        )
        for serial in serials:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(serial)
                .revocation_date(now - _DAY)
                .build()
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        valid_for: datetime.timedelta = _DAY,
        valid_in: datetime.timedelta = -3 * _DAY,
    ) -> x509.CertificateBuilder:
        # What RFC 5280 asks for and real authorities write. From Python 3.13 on
        # `ssl.create_default_context` does not trust a certificate without it.
        whose = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + valid_in)
            .not_valid_after(now + valid_for)
            .add_extension(whose, critical=False)
            .add_extension(by, critical=False)
        )

    def _write(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)


_PEM = serialization.Encoding.PEM


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(name: str) -> x509.GeneralName:
    if name.startswith("sip:"):
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
