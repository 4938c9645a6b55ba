"""A client certificate speaks for its user, over a TLS listener of `waypost serve`."""

import socket
import ssl
from pathlib import Path

import pytest

from proxy.lab.service import Service
from tests.support.certificates import Authority
from tests.support.ports import free_port

HOST, DOMAIN = "127.0.0.47", "contoso.test"
LOOKUP = f"sip:ocschat@{DOMAIN}"
CONFIG = """
[proxy]
domains = ["{domain}"]
[[listen]]
transport = "tls"
address = "{host}:{tls}"
verify_client = "optional"
[[listen]]
transport = "udp"
address = "{host}:{udp}"
[store]
url = "sqlite:///{directory}/waypost.db"
[dns]
nameservers = ["127.0.0.1:9"]
[tls]
certificate = "{files.certificate}"
key = "{files.key}"
ca = "{ca}"
[registrar]
enabled = true
[admin]
listen = ""
"""


class World:
    """A proxy that knows nobody but by certificate."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.tls, self.udp = (HOST, free_port(HOST)), (HOST, free_port(HOST))
        config = directory / "waypost.toml"
        config.write_text(
            CONFIG.format(
                domain=DOMAIN,
                host=HOST,
                tls=self.tls[1],
                udp=self.udp[1],
                directory=directory,
                files=self.authority.issue("proxy.contoso.test"),
                ca=self.authority.ca,
            )
        )
        self.service = Service(config, directory / "serve.log")

    def connect(self, name: str | None) -> ssl.SSLSocket:
        """A connection that shows a certificate of this name, or none."""
        context = ssl.create_default_context(cafile=self.authority.ca)
        if name is not None:
            files = self.authority.issue(name)
            context.load_cert_chain(files.certificate, files.key)
        raw = socket.create_connection(self.tls, timeout=5)
        return context.wrap_socket(raw, server_hostname="proxy.contoso.test")


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    await world.service.start(world.udp)
    yield world
    await world.service.stop()


def register(client: ssl.SSLSocket) -> str:
    host, port = client.getsockname()
    client.sendall(
        f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
        f"Via: SIP/2.0/TLS {host}:{port};branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
        f"From: <{LOOKUP}>;tag=1\r\nTo: <{LOOKUP}>\r\nCall-ID: {port}\r\n"
        f"CSeq: 1 REGISTER\r\nContact: <sip:{host}:{port};transport=tls>\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    return client.recv(65535).decode()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (LOOKUP, 200),
        (DOMAIN, 200),
        (f"sip:somebody@{DOMAIN}", 401),
        ("lookup.contoso.test", 401),
        (None, 401),
    ],
)
async def test_the_name_in_the_certificate_decides(world, name, status):
    with world.connect(name) as client:
        answer = register(client)
    assert int(answer.split()[1]) == status, answer
    assert ("WWW-Authenticate" in answer) == (status == 401)


async def test_who_registered_over_tls_is_asked_over_that_connection(world):
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with world.connect(LOOKUP) as client, caller:
        assert "200 OK" in register(client)
        own = "{}:{}".format(*client.getsockname())
        caller.bind(("127.0.0.48", 0))
        me = "{}:{}".format(*caller.getsockname())
        caller.sendto(
            f"INVITE {LOOKUP} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK2\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:a@{DOMAIN}>;tag=1\r\nTo: <{LOOKUP}>\r\n"
            f"Call-ID: 2\r\nCSeq: 1 INVITE\r\nContact: <sip:a@{me}>\r\n"
            "Content-Length: 0\r\n\r\n".encode(),
            world.udp,
        )
        asked = client.recv(65535).decode()
    assert asked.startswith(f"INVITE sip:{own};transport=tls SIP/2.0")
