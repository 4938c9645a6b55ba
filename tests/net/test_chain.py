"""What peers make of the chain behind our certificate; the sentence for each fault."""

import ssl
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from proxy import clock
from proxy.net.errors import NetError
from proxy.net.rehearsal import rehearse
from proxy.net.tls import TlsFiles
from tests.support.certificates import AUTHORITYS_USE, Authority

HOST = "proxy.contoso.test"
DAY = timedelta(days=1)
LONG = 100 * DAY


class World:
    """A root, an intermediate authority below it, and our certificate below that."""

    def __init__(self, folder):
        self.folder = folder
        self.root = Authority(folder, "root")
        self.other = Authority(folder, "other")
        self.between = Authority(folder, "between", self.root)
        self.files = self.between.issue(HOST, valid_for=LONG)
        self.own = Path(self.files.certificate).read_text().split("-----END", 1)[0]
        self.own += "-----END CERTIFICATE-----\n"

    def signed(self, authority, by, valid_for):
        """A certificate of ``authority``, made by another one, as PEM."""
        return (
            by._builder(authority._name, authority._key, valid_for, -3 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .add_extension(AUTHORITYS_USE, True)
            .sign(by._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
            .decode()
        )

    def rehearse(self, *pieces, ca="root.pem", key=None):
        """What is said of a file made of these pieces."""
        path = self.folder / "chain.pem"
        path.write_text("".join(pieces))
        ca = None if ca is None else str(self.folder / ca)
        return rehearse(TlsFiles(str(path), key or self.files.key, ca), HOST)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("chain"))


def days(shown):
    return round((shown.expires - clock.wall()) / 86_400)


@pytest.mark.parametrize("ca", ["root.pem", None])
def test_an_expired_cross_signed_root_at_the_end_is_no_reason_to_refuse(world, ca):
    between = world.signed(world.between, world.root, LONG)
    cross = world.signed(world.root, world.other, -DAY)
    shown = world.rehearse(world.own, between, cross, ca=ca)
    assert days(shown) == 100
    # With the root at hand all is well; without it nobody here can tell.
    assert ("root of their own" in shown.doubt) == (ca is None)
    # OpenSSL's own verdict, by the command that administrators use.
    leaf = world.folder / "leaf.pem"
    leaf.write_text(world.own)
    line = ["openssl", "verify", "-CAfile", world.root.ca, "-untrusted"]
    done = subprocess.run(
        [*line, str(world.folder / "chain.pem"), str(leaf)], capture_output=True
    )
    assert done.returncode == 0


def test_the_first_end_in_the_chain_counts(world):
    between = world.signed(world.between, world.root, 5 * DAY)
    shown = world.rehearse(world.own, between)
    assert (days(shown), shown.doubt) == (5, "")
    assert shown.weakest == "Waypost test authority between"


def test_what_stands_above_a_known_authority_does_not_count(world):
    between = world.signed(world.between, world.root, LONG)
    cross = world.signed(world.root, world.other, 5 * DAY)
    assert days(world.rehearse(world.own, between, cross)) == 100
    # Peers that have the other root alone need it, and so it counts here.
    assert days(world.rehearse(world.own, between, cross, ca="other.pem")) == 5


def test_of_two_certificates_of_one_authority_the_longer_one_counts(world):
    old = world.signed(world.between, world.root, -DAY)
    new = world.signed(world.between, world.root, 50 * DAY)
    for pair in ((old, new), (new, old)):
        shown = world.rehearse(world.own, *pair)
        assert (days(shown), shown.doubt) == (50, "")


def test_an_authority_whose_certificate_has_ended_is_named(world):
    old = world.signed(world.between, world.root, -DAY)
    told = r"of Waypost test authority between in .* which signed ours, ended"
    with pytest.raises(NetError, match=told):
        world.rehearse(world.own, old)


@pytest.mark.parametrize("ca", ["root.pem", None])
def test_a_missing_intermediate_is_told(world, ca):
    shown = world.rehearse(world.own, ca=ca)
    assert "signed by Waypost test authority between" in shown.doubt
    assert "appended to the file" in shown.doubt


def test_a_certificate_straight_from_a_known_root_is_whole(world):
    files = world.root.issue(HOST)
    shown = rehearse(files, HOST)
    assert shown.doubt == ""
    unknown = rehearse(TlsFiles(files.certificate, files.key), HOST)
    assert "name it in ca" in unknown.doubt


def test_the_order_behind_our_own_certificate_does_not_matter(world):
    between = world.signed(world.between, world.root, 7 * DAY)
    root = Path(world.root.ca).read_text()
    shown = world.rehearse(world.own, root, between)
    assert (days(shown), shown.doubt) == (7, "")


def test_a_chain_in_the_wrong_order_is_said_to_be_that(world):
    between = world.signed(world.between, world.root, LONG)
    with pytest.raises(NetError, match=r"wrong order: .* certificate number 2, which"):
        world.rehearse(between, world.own)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", r"key\.pem is empty: write the key into it"),
        ("certificate", r"key\.pem holds a certificate and no private key"),
        ("nonsense", r"key\.pem is not usable PEM: it holds no key"),
        (None, r"key\.pem cannot be read \(No such file"),
    ],
)
def test_a_key_file_that_is_none_is_what_is_blamed(world, tmp_path, content, told):
    key = tmp_path / "key.pem"
    if content is not None:
        key.write_text(world.own if content == "certificate" else content)
    with pytest.raises(NetError, match=told) as caught:
        world.rehearse(world.own, key=str(key))
    assert "chain.pem" not in str(caught.value)


def test_an_empty_certificate_file_is_what_is_blamed(world):
    with pytest.raises(NetError, match=r"chain\.pem is empty: write the certificate"):
        world.rehearse("")


def test_a_peer_of_this_python_accepts_what_we_accept(world):
    # The same file in a handshake with a client that has nothing but the root.
    between = world.signed(world.between, world.root, LONG)
    cross = world.signed(world.root, world.other, -DAY)
    world.rehearse(world.own, between, cross)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(str(world.folder / "chain.pem"), world.files.key)
    client = ssl.create_default_context(cafile=world.root.ca)
    inwards, outwards = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(outwards, inwards, server_hostname=HOST)
    ours = server.wrap_bio(inwards, outwards, server_side=True)
    for _ in range(4):
        for end in (theirs, ours):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert theirs.getpeercert()
