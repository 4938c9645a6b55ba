"""Certificates of clients and of pools, floors of versions, stalled handshakes."""

import asyncio
import contextlib
import socket
import ssl
import warnings
from collections.abc import Iterator
from datetime import timedelta

import pytest

from proxy import clock
from proxy.net.errors import NetError
from proxy.net.network import ListenOptions, Network
from proxy.net.settings import AdmissionSettings, StreamSettings
from proxy.net.tls import TlsFiles, client_end, peer_names, peer_users, server_end
from tests.support.certificates import CLIENT_AUTH, SERVER_AUTH, Authority
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.recorder import Recorder
from tests.support.transports import FRONT_END, between, values
from tests.support.transports import NAME as PROXY
from tests.wire.conftest import OpenNetwork
from tests.wire.test_stream import sip
from tests.wire.test_tls import POOL, itself
from tests.wire.test_transports import ALIAS, compose

CLIENT = "fe.contoso.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("mtls"))


@pytest.fixture
def open_mtls(open_network: OpenNetwork, authority: Authority):
    """A TLS listener that checks clients; we are our own client with ``ours``."""

    async def open_it(verify: str, ours: TlsFiles | None = None) -> Network:
        served = authority.issue(POOL)
        return await open_network(
            "tls",
            options={0: ListenOptions(tls=server_end(served, verify))},
            client_tls=client_end(ours or TlsFiles(ca=authority.ca)),
        )

    return open_it


async def name_seen(network: Network, recorder: Recorder):
    """Connect to ourselves, send one message; the flow on which it arrives."""
    network.connect(*itself(network))
    [(_, opened)] = await recorder.wait("flow_opened")
    network.send(opened, sip())
    [(flow, _)] = await recorder.wait("message")
    return flow


@pytest.mark.parametrize("verify", ["optional", "required"])
async def test_the_client_s_verified_names_are_on_its_flow(
    open_mtls, authority: Authority, recorder: Recorder, verify: str
) -> None:
    ours = authority.issue(CLIENT, "sip.contoso.test", "sip:alice@contoso.test")
    flow = await name_seen(await open_mtls(verify, ours), recorder)
    assert flow.peer_names == (CLIENT, "sip.contoso.test")
    assert flow.peer_users == ("alice@contoso.test",)


async def test_a_certificate_without_alternatives_has_its_common_name(
    open_mtls, authority: Authority, recorder: Recorder
) -> None:
    ours = authority.issue(common="OldServer.contoso.test")
    flow = await name_seen(await open_mtls("required", ours), recorder)
    assert flow.peer_names == ("oldserver.contoso.test",)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
async def test_who_resumes_a_session_after_its_certificate_has_ended_is_refused(
    open_mtls, authority: Authority, recorder: Recorder, monkeypatch, version: str
) -> None:
    """OpenSSL verifies a resumed session by that of the first handshake."""
    network = await open_mtls("required")
    recorder.on_message = lambda flow, _: network.send(flow, b"SIP/2.0 200 OK\r\n\r\n")
    listener = network.flows.listeners[0]
    context = client_end(authority.issue(CLIENT, valid_for=timedelta(hours=1))).context
    context.maximum_version = ssl.TLSVersion[version]

    def connect(session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        opened = socket.create_connection((listener.host, listener.port), 20)
        return context.wrap_socket(opened, server_hostname=POOL, session=session)

    def asked(client: ssl.SSLSocket) -> bytes:
        with contextlib.suppress(OSError):
            client.sendall(sip())
            return client.recv(100)
        return b""

    with contextlib.ExitStack() as stack:
        first = stack.enter_context(await asyncio.to_thread(connect))
        assert await asyncio.to_thread(asked, first)
        again = stack.enter_context(await asyncio.to_thread(connect, first.session))
        assert again.session_reused and await asyncio.to_thread(asked, again)
        later = clock.wall() + 7200
        monkeypatch.setattr(clock, "wall", lambda: later)
        late = stack.enter_context(await asyncio.to_thread(connect, first.session))
        assert late.session_reused and not await asyncio.to_thread(asked, late)
        assert network.streams.untrusted == 1
        assert await asyncio.to_thread(asked, first)  # it is open, and stays so
    assert len(recorder.of("message")) == 3


@pytest.mark.parametrize("verify", ["none", "optional"])
async def test_who_shows_no_certificate_is_nobody(
    open_mtls, recorder: Recorder, verify: str
) -> None:
    flow = await name_seen(await open_mtls(verify), recorder)
    assert (flow.peer_users, flow.peer_names) == ((), ())


async def test_a_certificate_that_nobody_asked_for_says_nothing(
    open_mtls, authority: Authority, recorder: Recorder
) -> None:
    flow = await name_seen(await open_mtls("none", authority.issue(CLIENT)), recorder)
    assert (flow.peer_users, flow.peer_names) == ((), ())


@pytest.mark.parametrize("shown", ["nothing", "stranger", "server-usage"])
async def test_a_client_that_must_prove_itself_and_does_not_gets_no_connection(
    open_mtls, authority: Authority, recorder: Recorder, tmp_path, shown: str
) -> None:
    stranger = Authority(tmp_path, "stranger").issue(CLIENT)
    ours = {
        "nothing": None,
        "stranger": TlsFiles(stranger.certificate, stranger.key, authority.ca),
        # OpenSSL wants the client usage where a certificate names usages at all.
        "server-usage": authority.issue(CLIENT, usage=SERVER_AUTH),
    }[shown]
    network = await open_mtls("required", ours)
    network.connect(*itself(network))
    async with asyncio.timeout(10):
        while not network.acceptors[0].handshakes_failed:
            await asyncio.sleep(0.01)
    assert recorder.of("message") == []
    assert network.admission.total == 0


async def test_a_pool_certificate_must_be_one_for_servers(
    open_network: OpenNetwork, authority: Authority, recorder: Recorder
) -> None:
    served = authority.issue(POOL, usage=CLIENT_AUTH)
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=server_end(served))},
        client_tls=client_end(TlsFiles(ca=authority.ca)),
    )
    network.connect(*itself(network))
    [(_, reason, told)] = await recorder.wait("connect_failed")
    assert (reason, "purpose" in told) == ("tls", True)


@pytest.mark.parametrize("is_revoked", [True, False])
async def test_a_revoked_certificate_is_refused_where_a_list_says_so(
    open_network: OpenNetwork, authority: Authority, recorder: Recorder, is_revoked
) -> None:
    served, other = authority.issue(POOL), authority.issue(POOL)
    listed = authority.with_revocations(served if is_revoked else other)
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=server_end(served))},
        client_tls=client_end(TlsFiles(ca=listed)),
    )
    network.connect(*itself(network))
    if not is_revoked:
        assert await recorder.wait("flow_opened")
        return
    [(_, reason, told)] = await recorder.wait("connect_failed")
    assert (reason, "revoked" in told) == ("tls", True)


@pytest.mark.parametrize("valid_in", [1, -3])
async def test_a_pool_certificate_must_be_valid_already(
    open_network: OpenNetwork, authority: Authority, recorder: Recorder, valid_in
) -> None:
    day = timedelta(days=1)
    served = authority.issue(POOL, valid_in=valid_in * day, valid_for=9 * day)
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=server_end(served))},
        client_tls=client_end(TlsFiles(ca=authority.ca)),
    )
    network.connect(*itself(network))
    if valid_in < 0:
        assert await recorder.wait("flow_opened")
        return
    [(_, reason, told)] = await recorder.wait("connect_failed")
    assert (reason, "not yet valid" in told) == ("tls", True)


async def test_the_pool_is_asked_for_by_name_and_the_target_s_name_does_not_do(
    open_network: OpenNetwork, authority: Authority, recorder: Recorder
) -> None:
    # fe1 is what the SRV record names; RFC 5922 wants the domain that was asked for.
    end = server_end(authority.issue("fe1", "127.0.0.1"))
    asked: list[str | None] = []
    end.context.sni_callback = lambda _, name, __: asked.append(name)
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=end)},
        client_tls=client_end(TlsFiles(ca=authority.ca)),
    )
    network.connect(*itself(network))
    [(_, reason, told)] = await recorder.wait("connect_failed")
    assert reason == "tls"
    assert POOL in told
    assert asked == [POOL]


@contextlib.contextmanager
def old_client(version: ssl.TLSVersion) -> Iterator[ssl.SSLContext]:
    """A peer that speaks this version and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    yield context


async def version_agreed(network: Network, version: ssl.TLSVersion) -> str | None:
    listener = network.flows.listeners[0]
    with old_client(version) as context:
        _, writer = await asyncio.open_connection(
            listener.host, listener.port, ssl=context
        )
    agreed = writer.get_extra_info("ssl_object").version()
    writer.close()
    return agreed


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_old_versions_are_refused_unless_named(
    open_network: OpenNetwork, authority: Authority, version: str
) -> None:
    files = authority.issue(POOL)
    strict = await open_network(
        "tls", options={0: ListenOptions(tls=server_end(files))}
    )
    with pytest.raises(OSError):
        await version_agreed(strict, ssl.TLSVersion[version])
    end = server_end(files, minimum="TLSv1")
    lenient = await open_network("tls", options={0: ListenOptions(tls=end)})
    agreed = await version_agreed(lenient, ssl.TLSVersion[version])
    assert agreed == version.replace("_", ".")


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"])
async def test_openssl_agrees_about_the_floor(
    open_network: OpenNetwork, authority: Authority, option: str
) -> None:
    tls = server_end(authority.issue(POOL))
    network = await open_network("tls", options={0: ListenOptions(tls=tls)})
    listener = network.flows.listeners[0]
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"{listener.host}:{listener.port}"),
        *("-CAfile", authority.ca, "-verify_hostname", POOL, "-verify_return_error"),
        *(option, "-cipher", "DEFAULT:@SECLEVEL=0"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    is_new = option in ("-tls1_2", "-tls1_3")
    assert (process.returncode == 0) == is_new, told.decode()
    assert (b"Verify return code: 0 (ok)" in told) or not is_new


async def test_one_source_cannot_take_every_handshake(
    open_network: OpenNetwork, authority: Authority
) -> None:
    patient = StreamSettings(tls_handshake=30.0)
    network = await open_network(
        "tls",
        "127.0.0.1",
        options={0: ListenOptions(tls=server_end(authority.issue(POOL)))},
        streams=patient,
        admission=AdmissionSettings(handshakes=64, handshakes_per_source=3),
    )
    listener = network.flows.listeners[0]
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            opened = socket.create_connection((listener.host, listener.port))
            stack.enter_context(opened)
            opened.sendall(b"\x16\x03\x01")  # the beginning of a ClientHello
        async with asyncio.timeout(10):
            while len(network.acceptors[0]._strangers) < 3:
                await asyncio.sleep(0.01)
        # The others wait; nobody is refused, and other networks take their turns.
        assert network.acceptors[0].accepted == 6
        assert len(network.acceptors[0]._strangers) == 3
        context = ssl.create_default_context(cafile=authority.ca)
        _, writer = await asyncio.open_connection(
            listener.host,
            listener.port,
            ssl=context,
            server_hostname=POOL,
            local_addr=("127.0.7.2", 0),
        )
        writer.close()


@pytest.mark.parametrize("names", [(FRONT_END,), (POOL, FRONT_END)])
async def test_a_front_end_that_is_not_its_pool_costs_a_504_with_1010(
    authority: Authority, names: tuple[str, ...]
) -> None:
    shown = authority.issue(*names)
    async with between(authority, "udp", "tls", pool_certificate=shown) as scene:
        call = compose(scene.caller, "INVITE", ALIAS[1:-1], tags=("a", ""))
        scene.caller.send(call)
        if POOL in names:
            assert await scene.callee.receive(b"INVITE ")
            return
        refused = await scene.caller.receive(b"SIP/2.0 504 ")
        assert scene.callee.inbox.empty()
    [told] = values(refused, b"ms-diagnostics")
    assert told.startswith(f'1010;source="{PROXY}";reason="Certificate trust'.encode())
    assert POOL.encode() in told


def test_a_key_with_a_passphrase_is_refused_by_name(authority: Authority) -> None:
    files = authority.issue(POOL, passphrase=b"secret")
    for end in (server_end, client_end):
        with pytest.raises(NetError, match=r"\.key has a passphrase"):
            end(files)


@pytest.mark.parametrize(
    ("alternatives", "domains", "users"),
    [
        ([("DNS", "A.test"), ("DNS", "a.test"), ("DNS", "a.test.")], ("a.test",), ()),
        ([("URI", "sip:a.test")], ("a.test",), ()),
        ([("URI", "SIP:A.Test")], ("a.test",), ()),
        ([("URI", "sip:a.test:5061;transport=tls")], ("a.test",), ()),
        ([("URI", "sip:mallory@x.a.test")], (), ("mallory@x.a.test",)),
        ([("URI", "sip:m%61llory@X.a.test;x=1")], (), ("mallory@x.a.test",)),
        ([("URI", "sip:mallory@x.a.test"), ("DNS", "b.test")], ("b.test",), None),
        ([("URI", "sip:192.0.2.1"), ("DNS", "192.0.2.1")], (), ()),
        ([("URI", "sip:[2001:db8::1]")], (), ()),
        ([("URI", "sip:@a.test")], (), ()),
        ([("URI", "sips:a.test")], (), ()),
        ([("URI", "https://a.test")], (), ()),
        ([("URI", "sip:*.a.test")], (), ()),
        ([("URI", "sip:ä.test")], (), ()),
        ([("DNS", "*.a.test"), ("DNS", "f*.a.test")], (), ()),
        ([("DNS", "mallory@x.a.test"), ("DNS", "sip:x.a.test")], (), ()),
        ([("DNS", "poo\u212a.a.test"), ("URI", "sip:\u212a.a.test")], (), ()),
        ([("URI", "sip:bo%E2%84%AA@a.test")], (), ()),
        ([("IP Address", "192.0.2.1")], (), ()),
        ([("email", "mallory@a.test")], (), ()),
        ([("othername", "<unsupported>")], (), ()),
        ([], ("common.test",), ()),
    ],
)
def test_what_a_certificate_names(alternatives, domains, users) -> None:
    """RFC 5922 sections 7.1 and 7.2; the common name is for those without others."""
    certificate = {
        "subject": ((("commonName", "Common.test"),),),
        "subjectAltName": tuple(alternatives),
    }
    assert peer_names(certificate) == domains
    if users is not None:
        assert peer_users(certificate) == users


def test_a_letter_that_only_looks_like_one_of_ours_names_nobody() -> None:
    """The sign for Kelvin becomes a plain "k" in lower case."""
    certificate = {"subject": ((("commonName", "fe.\u212aontoso.test"),),)}
    assert peer_names(certificate) == ()


def test_without_a_certificate_there_are_no_names() -> None:
    assert peer_names({}) == peer_users(None) == ()
