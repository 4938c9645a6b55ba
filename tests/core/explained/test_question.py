"""The request that a question is about is one that a client could send."""

import pytest

from proxy.core.explained.question import Question, flow_of, message_of, request_of
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Listener

URI, ME = "sip:ocschat@contoso.test", "sip:bob@contoso.test"


def question(uri=URI, method="INVITE", source="192.0.2.1", transport="tcp"):
    listener = Listener(transport, "10.0.0.5", 5060)
    return Question(uri, ME, method, source, listener)


@pytest.mark.parametrize("source", ["192.0.2.1", "2001:db8::1"])
def test_it_reads_as_what_was_asked(source):
    asked = question(source=source)
    request = request_of(message_of(asked), flow_of(asked))
    assert (request.method, request.uri) == (b"INVITE", URI.encode())
    assert request.from_aor() == "bob@contoso.test"
    assert request.via is not None and flow_of(asked).transport == "tcp"


def test_a_register_goes_to_the_domain():
    request = request_of(message_of(question(method="REGISTER")), flow_of(question()))
    assert request.uri == b"sip:contoso.test" and b"ocschat" in request.required("to")


@pytest.mark.parametrize("uri", ["sip:a b@c", "sip:x@" + "y" * 2000, "x\r\nVia: y"])
def test_what_cannot_stand_in_a_message_is_refused(uri):
    with pytest.raises(MalformedMessage):
        message_of(question(uri))
