"""ACK and CANCEL, from the lines of the INVITE that was sent."""

from proxy.transaction.companions import Companions
from tests.support.messages import request
from tests.transaction.bench import lines_sent

INVITE = request(
    "INVITE sip:x@contoso.test",
    "Via: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bK-caller",
    "Route: <sip:a;lr>",
    "Subject: lunch",
    "rOUTE:\r\n <sip:b;lr>",
    body=b"Route: <sip:body;lr>\r\nTo: nobody",
)


def names(lines: list[bytes]) -> list[bytes]:
    return [line.partition(b":")[0] for line in lines[1:-2]]


def test_a_cancel_has_the_lines_that_the_rfc_names_and_no_others():
    cancel = Companions(lines_sent(INVITE)).cancel([b"Reason: SIP;cause=200"])
    assert cancel[0] == b"CANCEL sip:x@contoso.test SIP/2.0"
    assert names(cancel) == [
        *(b"Via", b"Route", b"rOUTE", b"Max-Forwards", b"From", b"To", b"Call-ID"),
        *(b"CSeq", b"Reason", b"Content-Length"),
    ]
    assert cancel[-2:] == [b"", b""]
    assert b"\r\n".join(cancel).endswith(b"Content-Length: 0\r\n\r\n")


def test_only_our_own_via_is_repeated():
    cancel = Companions(lines_sent(INVITE)).cancel()
    (via,) = [line for line in cancel if line.startswith(b"Via")]
    assert via == next(x for x in lines_sent(INVITE) if x.startswith(b"Via"))


def test_an_ack_has_the_to_of_the_response():
    ack = Companions(lines_sent(INVITE)).ack(b"To: <sip:x@contoso.test>;tag=7")
    assert ack[0] == b"ACK sip:x@contoso.test SIP/2.0"
    assert b"To: <sip:x@contoso.test>;tag=7" in ack
    assert [line for line in ack if line.startswith(b"CSeq")] == [b"CSeq: 1 ACK"]
