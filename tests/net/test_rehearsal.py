"""What a peer would say of our certificate, asked in memory."""

from datetime import timedelta
from pathlib import Path

import pytest

from proxy import clock
from proxy.net.errors import NetError
from proxy.net.rehearsal import rehearse, rehearse_client
from proxy.net.tls import TlsFiles
from tests.support.certificates import CLIENT_AUTH, SERVER_AUTH, Authority

HOST = "proxy.contoso.test"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("rehearsal"))


@pytest.mark.parametrize("name", [HOST, "*.contoso.test", "PROXY.Contoso.Test"])
def test_a_certificate_that_covers_the_host_fits(
    authority: Authority, name: str
) -> None:
    shown = rehearse(authority.issue(name, "second.test", usage=SERVER_AUTH), HOST)
    assert shown.names == (name.lower(), "second.test")
    assert 86_000 < shown.expires - clock.wall() <= 86_400


def test_an_address_fits_an_address(authority: Authority) -> None:
    assert rehearse(authority.issue("fe.test", "10.1.2.3"), "10.1.2.3").names
    with pytest.raises(NetError, match=r"10\.1\.2\.4"):
        rehearse(authority.issue("10.1.2.3"), "10.1.2.4")


@pytest.mark.parametrize(
    "name", ["other.contoso.test", "*.test", "contoso.test", "proxy.contoso.test.org"]
)
def test_a_certificate_for_somebody_else_does_not(
    authority: Authority, name: str
) -> None:
    with pytest.raises(NetError, match=f"(?i)mismatch.*{HOST}.*advertised_host"):
        rehearse(authority.issue(name), HOST)
    assert rehearse(authority.issue(name), None).names == (name,)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"valid_for": -DAY}, "expired"),
        ({"valid_in": DAY, "valid_for": 2 * DAY}, "not yet valid"),
        ({"usage": CLIENT_AUTH}, "Server Authentication"),
    ],
)
def test_what_peers_would_refuse_is_refused(
    authority: Authority, more: dict, told: str
) -> None:
    with pytest.raises(NetError, match=told):
        rehearse(authority.issue(HOST, **more), HOST)


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    first, second = authority.issue(HOST), authority.issue(HOST)
    with pytest.raises(NetError, match=r"is not the key of .*: name its own key"):
        rehearse(TlsFiles(first.certificate, second.key), HOST)


def test_a_file_without_a_certificate_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(NetError, match=r"empty\.pem"):
        rehearse(TlsFiles(str(empty), authority.issue(HOST).key), HOST)


@pytest.mark.parametrize("usage", [CLIENT_AUTH, None])
def test_what_we_present_to_pools_is_read_as_a_pool_would(
    authority: Authority, usage
) -> None:
    shown = rehearse_client(authority.issue(HOST, usage=usage, valid_for=9 * DAY))
    assert shown.names == (HOST,)
    assert round((shown.expires - clock.wall()) / 86_400) == 9


@pytest.mark.parametrize(
    ("more", "told"),
    [({"valid_for": -DAY}, "expired"), ({"usage": SERVER_AUTH}, "Client Auth")],
)
def test_what_pools_would_refuse_is_told(
    authority: Authority, more: dict, told: str
) -> None:
    with pytest.raises(NetError, match=told):
        rehearse_client(authority.issue(HOST, **more))
