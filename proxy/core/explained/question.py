"""The request that a question is about, as a plain client would send it.

It is never sent.  But it is written and parsed like any other, so that what is
explained is what would become of a real one.
"""

from dataclasses import dataclass
from typing import Final

from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow, Listener
from proxy.sip.host import canonical_host, host_port
from proxy.sip.message import Request, parse_message
from proxy.sip.uri import parse_uri

CALLER_PORT: Final = 49_152
LONGEST: Final = 1024
"""Bytes of a URI that is asked about."""
_EVENTS: Final = {
    "SUBSCRIBE": "Event: presence",
    "NOTIFY": "Event: presence",
    "PUBLISH": "Event: presence",
}


@dataclass(frozen=True, slots=True)
class Question:
    """Who dials what, how, and from where.

    ``uri`` and ``from_uri`` are SIP URIs as bytes of a message have them; ``source`` is
    the numeric address of the client, ``listener`` the one that it reaches.
    """

    uri: str
    from_uri: str
    method: str
    source: str
    listener: Listener


def message_of(question: Question) -> bytes:
    """The request as the client would send it.

    A REGISTER goes to the domain and names the address in To and From (RFC 3261
    section 10.2).  Raises MalformedMessage for a URI that cannot stand in it.
    """
    uri = question.uri
    for text in (uri, question.from_uri):
        if len(text) > LONGEST or not text.isprintable() or " " in text:
            raise MalformedMessage("not a URI that a client could dial")
        parse_uri(text.encode())
    caller = question.from_uri
    dialled = uri
    if question.method == "REGISTER":
        parsed = parse_uri(uri.encode())
        dialled = f"{parsed.scheme}:{parsed.target_host}"
        caller = uri
    via = host_port(question.source, CALLER_PORT)
    transport = question.listener.transport.upper()
    user = parse_uri(caller.encode()).user or "waypost"
    event = _EVENTS.get(question.method, "")
    lines = [
        f"{question.method} {dialled} SIP/2.0",
        f"Via: SIP/2.0/{transport} {via};branch=z9hG4bK-waypost-explain",
        "Max-Forwards: 70",
        f"From: <{caller}>;tag=explain",
        f"To: <{uri}>",
        "Call-ID: explain@waypost",
        f"CSeq: 1 {question.method}",
        f"Contact: <sip:{user}@{via};transport={transport.lower()}>",
        *([event] if event else []),
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def flow_of(question: Question) -> Flow:
    """The flow by which it would come in; it is in no table."""
    host = canonical_host(question.source)
    return Flow(question.listener, host, CALLER_PORT)


def request_of(data: bytes, flow: Flow) -> Request:
    """Read the request as the core reads it; raises MalformedMessage."""
    message = parse_message(data, stream=flow.reliable)
    assert isinstance(message, Request)
    message.size = len(data)
    message.via = message.top_via()
    return message
