"""Why TLS files cannot be used: each fault is named with its file and what to do."""

import ssl
from pathlib import Path

import pytest

from proxy.net.tls_trouble import as_file, blocks, explain, read_text
from tests.support.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def said(certificate: Path | str, key: Path | str, ca: Path | str | None = None) -> str:
    """What OpenSSL refuses, put into words."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")
        if ca is not None:
            context.load_verify_locations(ca)
    except OSError as error:
        return explain(str(certificate), str(key), str(ca) if ca else None, error)
    raise AssertionError("they can be used")


@pytest.fixture
def files(authority, tmp_path) -> tuple[Path, Path]:
    issued = authority.issue("proxy.test")
    certificate, key = tmp_path / "c.pem", tmp_path / "c.key"
    certificate.write_text(Path(issued.certificate).read_text())
    key.write_text(Path(issued.key).read_text())
    return certificate, key


def test_files_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    text = said(tmp_path / "a", tmp_path / "b")
    assert f"{tmp_path}/a and {tmp_path}/b cannot be read (No such file" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty: write the certificate into it"),
        ("not pem", "holds no certificate; write PEM files, not DER or PFX"),
    ],
)
def test_a_certificate_that_is_none(files, content: str, says: str) -> None:
    certificate, key = files
    certificate.write_text(content)
    text = said(certificate, key)
    assert str(certificate) in text and says in text


def test_a_key_that_is_a_certificate_or_has_a_passphrase(files) -> None:
    certificate, key = files
    key.write_text(certificate.read_text())
    assert "holds a certificate and no private key" in said(certificate, key)
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n")
    assert f"{key} has a passphrase" in said(certificate, key)


def test_a_key_of_another_certificate_is_told(files, authority) -> None:
    certificate, key = files
    key.write_text(Path(authority.issue("other.test").key).read_text())
    assert said(certificate, key) == (
        f"{key} is not the key of {certificate}: name its own key"
    )


def test_a_chain_in_the_wrong_order_says_which_comes_first(files, authority) -> None:
    certificate, key = files
    other = Path(authority.issue("other.test").certificate).read_text()
    certificate.write_text(other + certificate.read_text())
    assert "its certificate number 2, which must come first" in said(certificate, key)


def test_an_authority_without_a_certificate_is_named(files, tmp_path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("nothing")
    assert f"{ca} is not usable PEM: it holds no authority" in said(*files, ca)


def test_certificates_come_in_their_order_and_half_ones_do_not(files) -> None:
    text = files[0].read_text()
    whole = blocks(text + text + "-----BEGIN CERTIFICATE-----\nhalf")
    assert len(whole) == 2 * len(blocks(text))
    with as_file("text") as path:
        assert read_text(path) == "text"
