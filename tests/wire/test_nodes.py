"""Two nodes with one name, on one Redis: each carries the other's dialogs, reaches the
clients that are connected to the other, and notices when it is gone.

The first node has two workers, the second is a single process.
"""

import re
import signal
import socket
import time
from contextlib import ExitStack

from tests.support.cluster import Node, alive, cluster, wait_for
from tests.support.phone import Phone
from tests.wire.test_service import bound, ok_to, port

PEER = "127.0.0.83"


def request(method: str, uri: str, via: int, key: str, *lines: str) -> bytes:
    """A request over UDP from PEER."""
    head = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {PEER}:{via};branch=z9hG4bK{key}",
        "Max-Forwards: 70",
        *lines,
        "Content-Length: 0",
    ]
    return "\r\n".join([*head, "", ""]).encode()


def receive(opened: socket.socket, start: bytes) -> bytes:
    while True:
        data = opened.recv(65535)
        if data.startswith(start):
            return data


def dialog(phone: Phone, next_hop: socket.socket) -> str:
    """A dialog of ``phone`` with the pool; the Route of the way back."""
    phone.send(
        "INVITE sip:bob@contoso.test",
        "To: <sip:bob@contoso.test>",
        f"Contact: <sip:{phone.name}@{PEER}:9;transport=tcp>",
    )
    arrived, source = next_hop.recvfrom(65535)
    next_hop.sendto(ok_to(arrived), source)
    phone.receive(b"SIP/2.0 200")
    return b", ".join(re.findall(rb"Record-Route: (<[^>]+>)", arrived)).decode()


def towards(phone: Phone, route: str, via: int, key: str) -> bytes:
    """An INFO of the pool inside that dialog."""
    return request(
        "INFO",
        f"sip:{phone.name}@{PEER}:9;transport=tcp",
        via,
        f"{phone.name}{key}",
        f"Route: {route}",
        "From: <sip:bob@contoso.test>;tag=b",
        f"To: <sip:{phone.name}@contoso.test>;tag={phone.name}",
        f"Call-ID: {phone.name}-INVITE",
        "CSeq: 7 INFO",
    )


def test_two_nodes_are_one_proxy(tmp_path) -> None:
    """One story, because a cluster takes seconds to start and to notice a death."""
    with ExitStack() as stack:
        next_hop = stack.enter_context(bound(socket.SOCK_DGRAM, PEER))
        found = stack.enter_context(cluster(tmp_path, next_hop.getsockname()))
        first, second = found.nodes
        pool = stack.enter_context(bound(socket.SOCK_DGRAM, PEER))
        client = stack.enter_context(bound(socket.SOCK_DGRAM, PEER))
        phone = Phone(first.address, PEER, "anna")
        stack.enter_context(phone.socket)
        phone.send(
            "REGISTER sip:contoso.test",
            "To: <sip:anna@contoso.test>",
            f"Contact: <sip:anna@{phone.me};transport=tcp>",
            "Expires: 600",
        )
        phone.receive(b"SIP/2.0 200")

        says_goodbye(second, first)
        calls_a_phone_at_the_other_node(pool, phone, second)
        route = dialog(phone, next_hop)
        reaches_a_connection_at_the_other_node(pool, phone, route, second)
        carried, way_back = sets_up(client, next_hop, first)

        first.kill()
        carries_the_dialog(client, next_hop, carried, second)
        for key in ("2", "3"):
            # Before its death is known, and after.
            refuses_quickly(pool, phone, route, key, second)
            wait_for(lambda: alive(second) == 1)
        goes_straight_to_the_client(client, next_hop, way_back, second)


def says_goodbye(stopping: Node, watching: Node) -> None:
    """A node that stops is not sent to any more; one that comes back is."""
    stopping.signal(signal.SIGTERM)
    assert stopping.wait() == 0
    wait_for(lambda: alive(watching) == 1)
    stopping.start()
    wait_for(lambda: alive(watching) == alive(stopping) == 2)


def calls_a_phone_at_the_other_node(
    pool: socket.socket, phone: Phone, node: Node
) -> None:
    message = request(
        *("MESSAGE", "sip:anna@contoso.test", port(pool), "m1"),
        *("From: <sip:bob@contoso.test>;tag=b", "To: <sip:anna@contoso.test>"),
        *("Call-ID: m1", "CSeq: 1 MESSAGE"),
    )
    pool.sendto(message, node.address)
    arrived = phone.receive(b"MESSAGE ")
    assert b"\r\nRoute:" not in arrived
    assert arrived.count(b"Via: SIP/2.0/") == 3, "it came by the other node"
    phone.socket.sendall(ok_to(arrived))
    receive(pool, b"SIP/2.0 200")


def reaches_a_connection_at_the_other_node(
    pool: socket.socket, phone: Phone, route: str, node: Node
) -> None:
    """In the dialog, by the node that did not set it up, towards the caller."""
    assert "sip.contoso.test" in route
    pool.sendto(towards(phone, route, port(pool), "1"), node.address)
    arrived = phone.receive(b"INFO ")
    assert b"\r\nRoute:" not in arrived
    phone.socket.sendall(ok_to(arrived))
    receive(pool, b"SIP/2.0 200")


def refuses_quickly(
    pool: socket.socket, phone: Phone, route: str, key: str, node: Node
) -> None:
    """Nobody waits long for the clients of a node that is gone."""
    started = time.monotonic()
    pool.sendto(towards(phone, route, port(pool), key), node.address)
    refusal = receive(pool, b"SIP/2.0 4")
    assert refusal.startswith(b"SIP/2.0 480 ")
    assert b"\r\nms-diagnostics: 1006;" in refusal
    assert time.monotonic() - started < 3


def sets_up(
    client: socket.socket, next_hop: socket.socket, node: Node
) -> tuple[str, str]:
    """A dialog over UDP; the caller's Route and the callee's."""
    invite = request(
        *("INVITE", "sip:bob@contoso.test", port(client), "1"),
        *("To: <sip:bob@contoso.test>", *who(client), "CSeq: 1 INVITE"),
    )
    client.sendto(invite, node.address)
    arrived, source = next_hop.recvfrom(65535)
    next_hop.sendto(ok_to(arrived), source)
    answered = receive(client, b"SIP/2.0 200")
    routes = [
        re.search(rb"Record-Route: (<[^>]+>)", seen)[1].decode()
        for seen in (answered, arrived)
    ]
    return routes[0], routes[1]


def who(client: socket.socket) -> tuple[str, ...]:
    return (
        "From: <sip:alice@contoso.test>;tag=a",
        f"Contact: <sip:alice@{PEER}:{port(client)}>",
        "Call-ID: carried",
    )


def carries_the_dialog(
    client: socket.socket, next_hop: socket.socket, route: str, node: Node
) -> None:
    """Towards the pool, at once."""
    info = request(
        *("INFO", f"sip:bob@{PEER}:{port(next_hop)}", port(client), "2"),
        *(f"Route: {route}", "To: <sip:bob@contoso.test>;tag=b", *who(client)),
        "CSeq: 2 INFO",
    )
    client.sendto(info, node.address)
    arrived, source = next_hop.recvfrom(65535)
    assert arrived.startswith(b"INFO ")
    next_hop.sendto(ok_to(arrived), source)
    receive(client, b"SIP/2.0 200")


def goes_straight_to_the_client(
    client: socket.socket, next_hop: socket.socket, route: str, node: Node
) -> None:
    """A client that can be reached without the dead node, once its death is known."""
    bye = request(
        *("BYE", f"sip:alice@{PEER}:{port(client)}", port(next_hop), "3"),
        *(f"Route: {route}", "From: <sip:bob@contoso.test>;tag=b"),
        *("To: <sip:alice@contoso.test>;tag=a", "Call-ID: carried", "CSeq: 9 BYE"),
    )
    next_hop.sendto(bye, node.address)
    client.sendto(ok_to(receive(client, b"BYE ")), node.address)
    receive(next_hop, b"SIP/2.0 200")
