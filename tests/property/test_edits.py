"""An edit takes or changes a logical line, with its folds, and not one byte outside it.

Legacy clients sign From, To, Call-ID, CSeq and more: half of a line that is left
behind becomes part of the signed line above it (RFC 3261 section 7.3.1).
"""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.first_hop.test_first_hop import CONTACT, register, scene, sign_in
from tests.support.messages import line_of, request, response
from tests.support.playbook import Playbook

HOP_BY_HOP = ("via", "max-forwards", "route", "record-route", "ms-keep-alive")
CLAIM = "p-asserted-identity"  # not a stranger's to make (RFC 3325)
LINES = (
    "ms-keep-alive: UAC;hop-hop=yes",
    "ms-keep-alive: UAC;\r\n hop-hop=yes\r\n\t;end-end=no",
    "Ms-Keep-Alive : UAC",
    "ms-keep-alive-note: ours is another header",
    CONTACT,
    CONTACT.replace("proxy=replace", "proxy=replace\r\n "),
    "Contact: <sip:alice@10.1.0.9:40000>",
    "m: <sip:a@b>\r\n ;expires=3600",
    "Route: <sip:10.0.0.5:5060;lr>",
    "Route: <sip:10.0.0.5:5060;lr>,\r\n <sip:10.0.0.5:5060;lr>",
    "Record-Route: <sip:10.9.9.9;lr>,\r\n\t<sip:10.9.9.8;lr>",
    "Subject: one\r\n two\r\n\tthree",
    "X-Blank:\r\n ",
    "X-Like: it says\r\n ms-keep-alive: UAC",
    "X-Route: a\r\n Route: <sip:evil@evil.example>",
    "P-Asserted-Identity:\r\n <sip:alice@contoso.test>",
    "Expires:\r\n 3600",
)


def logical(data: bytes) -> list[bytes]:
    """The lines of a message, each with what is folded below it."""
    return re.split(rb"\r\n(?![ \t])", data.partition(b"\r\n\r\n")[0])


def untouched(data: bytes, *edited: str) -> list[bytes]:
    """The lines that must leave as they came, in order, and the body."""
    names = {*HOP_BY_HOP, *edited, "v"}
    kept = [
        line
        for line in logical(data)[1:]
        if line.partition(b":")[0].strip().lower().decode() not in names
    ]
    return [*kept, data.partition(b"\r\n\r\n")[2]]


@st.composite
def folded(draw: st.DrawFn, data: bytes) -> bytes:
    """The message with more lines, in another order, some folded after the colon."""
    start, *lines = logical(data)
    more = draw(st.lists(st.sampled_from(LINES), max_size=4, unique=True))
    lines = draw(st.permutations([*lines, *(line.encode() for line in more)]))
    for place, line in enumerate(lines):
        if draw(st.booleans()):
            name, _, value = line.partition(b":")
            lines[place] = name + b":\r\n " + value.strip(b" ")
    return b"\r\n".join([start, *lines]) + b"\r\n\r\n" + data.partition(b"\r\n\r\n")[2]


def passed_on(play: Playbook, peer: str, data: bytes, to: str) -> list[bytes]:
    """The proxy gets ``data``; the messages that it then sends to ``to``."""
    before = len(play.sent)
    play.core.receive(play.flow(peer), data, play.now)
    play._carry_out(play.core.take_commands())
    play._script.clear()
    return [sent for name, sent in play.sent[before:] if name == to]


FOLDED_KEEP_ALIVE = request(
    "MESSAGE sip:bob@contoso.test",
    "ms-keep-alive:\r\n UAC;hop-hop=yes",
    transport="tcp",
    branch="z9hG4bK-o",
)


def of_a_client(method: str, body: bytes = b"") -> bytes:
    return request(
        f"{method} sip:bob@contoso.test",
        transport="tcp",
        branch="z9hG4bK-o",
        body=body,
    )


@given(
    st.one_of(
        *(
            folded(of_a_client(method, body))
            for method in ("MESSAGE", "INVITE", "SUBSCRIBE", "ACK", "BENOTIFY")
            for body in (b"", b"ms-keep-alive: UAC\r\n\r\n more\r\n")
        )
    )
)
@example(FOLDED_KEEP_ALIVE)
def test_a_first_hop_passes_on_all_lines_but_its_own(data):
    play = scene()
    sign_in(play)
    for sent in passed_on(play, "client/tcp", data, "fe1/tcp"):
        edited = [
            line
            for line in logical(data)
            if line[:8].lower() == b"contact:" and b"proxy" in line
        ]
        if not edited:
            assert untouched(sent) == untouched(data, CLAIM)
        assert untouched(sent, "contact", "m") == untouched(data, "contact", "m", CLAIM)
        assert not any(
            line.partition(b":")[0].strip().lower() == b"ms-keep-alive"
            for line in logical(sent)
        )


@given(st.data())
def test_an_answer_reaches_a_client_of_a_first_hop_with_all_lines_but_ours(data):
    play = scene()
    sign_in(play)
    asked = passed_on(play, "client/tcp", register(cseq=2), "fe1/tcp")[-1]
    status = data.draw(st.sampled_from((200, 301, 403)))
    answer = data.draw(folded(response(asked, status)))
    for sent in passed_on(play, "fe1/tcp", answer, "client/tcp"):
        if status == 301:
            assert untouched(sent, "contact", "m") == untouched(answer, "contact", "m")
        else:
            assert untouched(sent) == untouched(answer)
        offers = [x for x in logical(sent) if x.lower().startswith(b"ms-keep-alive:")]
        assert len(offers) == (1 if status == 200 else len(offers))


@given(st.one_of(folded(request()), folded(request("SUBSCRIBE sip:x@contoso.test"))))
def test_a_proxy_passes_on_all_lines_but_its_own(data):
    play = Playbook(default_route=b"sip:10.0.2.1:5060")
    for to in ("fe1", "edge"):
        for sent in passed_on(play, "client", data, to):
            # ms-keep-alive is of the first hop alone: here it is a line like others.
            edited = {*HOP_BY_HOP} - {"ms-keep-alive"}
            kept = [
                [
                    line
                    for line in logical(each)[1:]
                    if line.partition(b":")[0].strip().lower().decode()
                    not in {*edited, "v", CLAIM}
                ]
                for each in (sent, data)
            ]
            assert kept[0] == kept[1]
            assert CLAIM.encode() not in sent.lower()


def without_token(lines: list[bytes]) -> list[bytes]:
    """Our own Record-Route says another thing to each end of the dialog."""
    ours = rb"(?i)\A(record-route\s*:\s*<sip:)[\w-]{44,80}@"
    return [re.sub(ours, rb"\1@", x) for x in lines]


@given(st.data())
def test_an_answer_passes_a_proxy_without_its_top_via_and_with_all_else(data):
    """But for our own Record-Route entry, wherever else a peer has copied it to."""
    play = Playbook(front_ends=("fe1",))
    asked = passed_on(play, "client", request(), "fe1")[-1]
    ours = line_of(asked, "Record-Route").partition(b":")[2].decode()
    copies = ("", f"X-Copy:{ours}", f"Subject: a\r\n Record-Route:{ours}")
    status = data.draw(st.sampled_from((180, 200, 404)))
    more = [x for x in (data.draw(st.sampled_from(copies)),) if x]
    answer = data.draw(folded(response(asked, status, *more)))
    for sent in passed_on(play, "fe1", answer, "client"):
        position = next(
            n for n, x in enumerate(logical(answer)) if x[:4].lower() == b"via:"
        )
        lines = logical(answer)
        del lines[position]
        kept = [
            [x for x in each if x[:13].lower() != b"record-route:"]
            for each in (logical(sent), lines)
        ]
        assert kept[0] == kept[1]
        routes = [x for x in logical(sent) if x[:13].lower() == b"record-route:"]
        assert len(routes) == len(lines) - len(kept[1])
