"""The messages of RFC 4475 and RFC 5118, as bytes, through the real proxy.

They are not part of this project: `WAYPOST_TORTURE` names a folder with `rfc4475/*.dat`
and `rfc5118/*.dat`.  What is expected stands here, by the text of the RFCs and not by
the names of the files; a file that nobody has classified fails.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.net.settings import StreamSettings
from tests.support.proxy import running_proxy, status_of
from tests.torture.compare import deserves, untouched
from tests.torture.corpus import PASSES, SILENCE


def folder() -> Path:
    """Where the messages are: named, or beside the checkout.

    The compiled build runs a copy of these tests deep inside the checkout.
    """
    if named := os.environ.get("WAYPOST_TORTURE"):
        return Path(named)
    beside = [parent / "shared" / "torture" for parent in Path(__file__).parents]
    return next((path for path in beside if path.is_dir()), beside[-1])


FOLDER = folder()
FILES = sorted(FOLDER.glob("rfc*/*.dat"))
HANG_UP = 0  # the proxy closes the connection: the stream cannot be framed
# wsinv carries a Route to that host, which must be ours to pop for the message to pass
DOMAINS = frozenset({"contoso.test", "services.example.com"})
QUICK = StreamSettings(whole_message=0.3, sweep=0.02)


@dataclass(frozen=True, slots=True)
class Expected:
    """`udp` and `tcp`: PASSES, SILENCE, or the statuses that the RFC allows."""

    udp: str | tuple[int, ...]
    tcp: str | tuple[int, ...]


def both(outcome: str | int | tuple[int, ...]) -> Expected:
    value = (outcome,) if isinstance(outcome, int) else outcome
    return Expected(value, value)


EXPECTED: dict[str, Expected] = {
    # RFC 4475 section 3.1.1: valid messages
    "wsinv": both(PASSES),
    "intmeth": both(PASSES),
    "esc01": both(PASSES),
    "escnull": both(PASSES),
    "esc02": both(PASSES),
    "lwsdisp": both(PASSES),
    "longreq": both(PASSES),
    # the stray bytes behind it are no message on a stream: the two requests in front
    # of them leave as two, and the stream ends
    "dblreq": Expected(PASSES, (HANG_UP, 200)),
    "semiuri": both(PASSES),
    "transports": both(PASSES),
    # legal, but its Route leads to a stranger: no open relay
    "mpart01": both(403),
    "unreason": both(SILENCE),  # responses to nothing of ours (RFC 3261 18.1.2)
    "noreason": both(SILENCE),
    # section 3.1.2: invalid messages
    "badinv01": both(400),
    "clerr": Expected((400,), (HANG_UP, 400)),  # a stream waits for the rest
    "ncl": both(400),
    "scalar02": both(400),
    "scalarlg": both(SILENCE),  # a response
    "quotbal": both(400),
    "ltgtruri": both(400),
    "lwsruri": both(400),
    "lwsstart": both(400),
    "trws": both(400),
    "escruri": both(400),
    "baddate": both(PASSES),  # "proxies have no need to look at Date"
    "regbadct": both(PASSES),  # Contact is the registrar's business
    "badaspec": both(PASSES),  # "it is reasonable to accept"
    # this file lacks the empty line at its end
    "baddn": Expected((400,), (HANG_UP, 400)),
    "baddn-closed": both(400),
    "badvers": both(505),
    "mismatch01": both(400),
    "mismatch02": both(400),
    "bigcode": both(SILENCE),  # a response
    # sections 3.2 to 3.4
    "badbranch": both(PASSES),
    "insuf": both(400),
    "unkscm": both(416),
    "novelsc": both(416),
    "unksm2": both(PASSES),  # To and From are the registrar's business
    "bext01": both(420),
    "invut": both(PASSES),
    "regaut01": both(PASSES),
    "multi01": both(400),
    "mcl01": both(400),
    "bcast": both(SILENCE),  # a response whose top Via is not ours
    "zeromf": both(483),
    "cparam01": both(PASSES),
    "cparam02": both(PASSES),
    "regescrt": both(PASSES),
    "sdp01": both(PASSES),
    # no Content-Length, which a stream must have (RFC 3261 section 18.3)
    "inv2543": Expected(PASSES, (400,)),
    # RFC 5118
    "ipv6-good": both(PASSES),
    "ipv6-bad": both(400),
    "port-ambiguous": both(PASSES),
    "port-unambiguous": both(PASSES),
    "via-received-param-with-delim": both(PASSES),
    "via-received-param-no-delim": both(PASSES),
    "ipv6-in-sdp": both(PASSES),
    "mult-ip-in-header": both(PASSES),
    "mult-ip-in-sdp": both(PASSES),
    "ipv4-mapped-ipv6": both(PASSES),
    "ipv6-bug-abnf-3-colons": both(PASSES),  # section 4.10: be liberal
    "ipv6-correct-abnf-2-colons": both(PASSES),
}

_VIA = re.compile(
    rb"(?im)^(?:via|v)\s*:\s*SIP\s*/\s*2\.0\s*/\s*\S+\s+(?:\[[^\]]*\]|[^:;\s,]+)"
    rb"\s*:\s*(\d+)"
)


def answer_port(data: bytes) -> int:
    """The port of the top Via: where the answer goes over UDP."""
    match = _VIA.search(data)
    return int(match[1]) if match else 5060


pytestmark = pytest.mark.skipif(not FILES, reason="WAYPOST_TORTURE: no messages there")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_classified(path):
    assert path.stem in EXPECTED


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_the_outcome_is_what_the_rfc_says(path, transport):
    data = path.read_bytes()
    expected = getattr(EXPECTED[path.stem], transport)
    running = running_proxy(transport, streams=QUICK, domains=DOMAINS)
    async with running as proxy:
        async with proxy.client(transport, answer_port(data)) as client:
            await deserves(proxy, client, data, expected)
        if expected == PASSES:
            (forwarded,) = proxy.next_hop.received
            assert untouched(forwarded) == untouched(data)
        elif path.stem != "dblreq":
            assert proxy.next_hop.received == []
        assert proxy.runtime.errors == 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_second_request_is_not_smuggled_behind_a_content_length(transport):
    """dblreq: what follows a datagram's Content-Length is nothing (18.3)."""
    path = FOLDER / "rfc4475" / "dblreq.dat"
    if not path.exists():
        pytest.skip("dblreq is not there")
    data = path.read_bytes()
    async with running_proxy(transport, streams=QUICK) as proxy:
        async with proxy.client(transport, answer_port(data)) as client:
            client.send(data)
            await client.final()
            await proxy.settle()
        received = [x for x in proxy.next_hop.received if not status_of(x)]
        assert not any(x.startswith(b"UNREADABLE") for x in received)
        assert all(x.count(b" SIP/2.0\r\n") == 1 for x in received)
        assert len(received) <= (1 if transport == "udp" else 2)
