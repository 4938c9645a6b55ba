"""Bytes for a flow go to its connection, or to the listener it was seen from."""

from proxy.net.stream_flow import Sender, StreamFlow
from proxy.sip.flow import Flow, Listener


class Connection:
    def __init__(self):
        self.sent = []

    def send(self, data):
        self.sent.append(data)

    def close(self, reason):
        pass


class Udp:
    def __init__(self):
        self.sent = []

    def send(self, flow, data):
        self.sent.append((flow, data))


def test_a_stream_has_its_own_connection_and_a_datagram_its_listener():
    sender, connection = Sender(), Connection()
    listeners = [Listener("udp", f"10.0.0.{n}", 5060, index=n) for n in (1, 2)]
    sender.udp = {each.index: Udp() for each in listeners}
    tcp = Listener("tcp", "10.0.0.5", 5060, index=9)
    sender.send(StreamFlow(tcp, "10.1.0.9", 40000, 7, connection), b"stream")
    flow = Flow(listeners[1], "10.1.0.9", 40000)
    sender.send(flow, b"datagram")
    assert connection.sent == [b"stream"]
    assert (sender.udp[1].sent, sender.udp[2].sent) == ([], [(flow, b"datagram")])
