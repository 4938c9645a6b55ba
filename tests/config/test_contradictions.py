"""What is wrong between sections that are each right by themselves."""

import pytest

from tests.config.loading import load, problem

TLS = '[[listen]]\ntransport = "tls"\naddress = "127.0.0.5:5061"\n'
FILES = '[tls]\ncertificate = "c.pem"\nkey = "c.key"\n'


def listen(transport: str, address: str, *more: str) -> str:
    lines = (f'transport = "{transport}"', f'address = "{address}"', *more)
    return "\n".join(("[[listen]]", *lines, ""))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (listen("tcp", "0.0.0.0:5060"), "advertised_host ="),
        (listen("udp", "127.0.0.5:5060"), "is used twice"),
        (listen("tcp", "127.0.0.5:5070") * 2, "is used twice"),
        (TLS, "needs a certificate"),
        (TLS + '[tls]\ncertificate = "c.pem"\n', "needs a key"),
        (TLS + 'verify_client = "required"\n' + FILES, "ca ="),
        (
            TLS + 'trusted_peers = ["fe.test"]\n' + FILES,
            'verify_client = "required"',
        ),
        (listen("udp", "127.0.0.5:5070", "first_hop = true"), "speak TLS or TCP"),
        ("[registrar]\nenabled = true\n[limits]\nidle_established = 300\n", "3600.0"),
        ('[[pool]]\nfqdn = "p.test"\n' * 2, "p.test stands here twice"),
        ("[server]\nworkers = 2\nworker_udp_port = 5059\n", "worker_udp_port = 5061"),
        ('[chat_probe]\ntransports = ["tls"]\n', 'transports = ["udp"]'),
        ('[routes]\ndefault = "sip:127.0.0.5:5060"\n', "round in a loop"),
        ('[routes]\ndefault = "sip:127.0.0.5"\n', "round in a loop"),
    ],
)
def test_what_cannot_be_together_is_told_with_what_to_write(tmp_path, more, says):
    assert says in problem(tmp_path, more)


@pytest.mark.parametrize(
    "more",
    [
        listen("tcp", "127.0.0.5:5060"),  # beside UDP on the same port
        TLS + FILES,
        TLS + 'certificate = "c.pem"\nkey = "c.key"\n',
        "[registrar]\nenabled = true\n[limits]\nidle_established = 301\n",
        "[limits]\nidle_established = 300\n",  # nobody is told to keep anything alive
        "[server]\nworkers = 2\nworker_udp_port = 5061\n",
        "[server]\nworker_udp_port = 5060\n",  # one process needs none
        '[chat_probe]\ntransports = ["udp"]\n',
        '[routes]\ndefault = "sip:127.0.0.5:5070"\n',
    ],
)
def test_what_can_be_together_loads(tmp_path, more: str) -> None:
    load(tmp_path, more)


def test_all_of_them_come_at_once_with_their_lines(tmp_path) -> None:
    said = problem(tmp_path, listen("udp", "127.0.0.5:5060") + TLS)
    assert "is used twice" in said and "needs a certificate" in said
    assert "waypost.toml:9" in said
