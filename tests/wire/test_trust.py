"""Whom we trust: peers by name, chains with revoked parts, pools with own files."""

import asyncio
import ssl
from pathlib import Path

import pytest

from proxy.net.network import ListenOptions
from proxy.net.tls import TlsFiles, client_end, is_trusted, server_end
from tests.support.certificates import Authority
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.recorder import Recorder
from tests.wire.conftest import OpenNetwork
from tests.wire.test_stream import sip
from tests.wire.test_tls import POOL, itself

PROXY = "proxy.contoso.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("trust"))


@pytest.mark.parametrize(
    ("names", "trusted", "is_let_in"),
    [
        (("fe1.contoso.test", "fepool.contoso.test"), "fepool.contoso.test", True),
        (("fe1.contoso.test",), "fepool.contoso.test", False),
        (("fe1.contoso.test",), "*.contoso.test", True),
        (("fe1.emea.contoso.test",), "*.contoso.test", False),
        (("*.contoso.test",), "*.contoso.test", False),
        (("sip:contoso.test",), "contoso.test", True),
        (("sip:fe1.contoso.test",), "*.contoso.test", True),
        (("sip:mallory@x.contoso.test",), "*.contoso.test", False),
        (("sip:mallory@contoso.test",), "contoso.test", False),
        (("sip:mallory@x.test", "fe1.contoso.test"), "*.contoso.test", True),
    ],
)
@pytest.mark.parametrize("verify", ["optional", "required"])
async def test_of_valid_certificates_only_those_of_trusted_peers_are_let_in(
    open_network: OpenNetwork,
    authority: Authority,
    recorder: Recorder,
    verify: str,
    names: tuple[str, ...],
    trusted: str,
    is_let_in: bool,
) -> None:
    end = server_end(authority.issue(PROXY), verify, trusted_peers=(trusted,))
    network = await open_network("tls", options={0: ListenOptions(tls=end)})
    listener = network.flows.listeners[0]
    shown = authority.issue(*names)
    context = ssl.create_default_context(cafile=authority.ca)
    context.load_cert_chain(shown.certificate, shown.key)
    _, writer = await asyncio.open_connection(
        listener.host, listener.port, ssl=context, server_hostname=PROXY
    )
    writer.write(sip())
    if is_let_in:
        assert await recorder.wait("message")
    else:
        [(_, reason)] = await recorder.wait("flow_closed")
        assert reason == "untrusted"
        assert recorder.of("message") == []
        assert network.streams.untrusted == 1
        async with asyncio.timeout(10):
            while network.admission.total:  # its place is free again
                await asyncio.sleep(0.01)
    writer.close()


async def test_who_need_not_show_a_certificate_is_let_in_as_nobody(
    open_network: OpenNetwork, authority: Authority, recorder: Recorder
) -> None:
    end = server_end(authority.issue(PROXY), "optional", trusted_peers=("fe.test",))
    network = await open_network("tls", options={0: ListenOptions(tls=end)})
    listener = network.flows.listeners[0]
    context = ssl.create_default_context(cafile=authority.ca)
    _, writer = await asyncio.open_connection(
        listener.host, listener.port, ssl=context, server_hostname=PROXY
    )
    writer.write(sip())
    [(flow, _)] = await recorder.wait("message")
    assert flow.peer_names == ()
    writer.close()


def test_names_are_compared_label_by_label() -> None:
    assert not is_trusted(("evilcontoso.test",), ("*.contoso.test",))
    assert not is_trusted((), ("*.contoso.test",))


@pytest.mark.parametrize("revoked", ["nobody", "leaf", "intermediate"])
async def test_a_revoked_part_of_the_chain_fails_the_connect(
    open_network: OpenNetwork,
    authority: Authority,
    recorder: Recorder,
    tmp_path: Path,
    revoked: str,
) -> None:
    between = Authority(tmp_path, "between", authority)
    served = between.issue(POOL)
    leaf = [Authority._serial(served)] if revoked == "leaf" else []
    above = [between.certificate.serial_number] if revoked == "intermediate" else []
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(
        Path(authority.ca).read_bytes()
        + authority.revocation_list(*above)
        + between.revocation_list(*leaf)
    )
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=server_end(served))},
        client_tls=client_end(TlsFiles(ca=str(trusted))),
    )
    network.connect(*itself(network))
    if revoked == "nobody":
        assert await recorder.wait("flow_opened")
        return
    [(_, reason, told)] = await recorder.wait("connect_failed")
    assert (reason, "revoked" in told) == ("tls", True)


@pytest.mark.parametrize("has_own_files", [True, False])
async def test_a_pool_may_have_files_of_its_own(
    open_network: OpenNetwork,
    authority: Authority,
    recorder: Recorder,
    tmp_path: Path,
    has_own_files: bool,
) -> None:
    other = Authority(tmp_path, "other")
    ours = other.issue(PROXY)
    end = server_end(other.issue(POOL), "required")
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=end)},
        client_tls=client_end(authority.issue("default.contoso.test")),
        pool_tls={POOL: client_end(ours)} if has_own_files else {},
    )
    network.connect(*itself(network, POOL.upper()))
    if not has_own_files:
        [(_, reason, _)] = await recorder.wait("connect_failed")
        assert reason == "tls"
        return
    [(_, flow)] = await recorder.wait("flow_opened")
    network.send(flow, sip())
    [(arrived, _)] = await recorder.wait("message")
    assert arrived.peer_names == (PROXY,)
