"""What an event log says of the flow table between two turns."""

import pytest

from proxy.server.event_log.codec import Codec
from proxy.server.event_log.flow_watch import FlowWatch
from proxy.sip.flow import Flow, FlowTable, Listener


@pytest.fixture
def flows():
    return FlowTable([Listener("tcp", "10.0.0.5", 0)])


@pytest.fixture
def watch(flows):
    watch = FlowWatch(flows, Codec(flows.listeners))
    assert watch.look() == {"listeners": [[0, 0]]}
    return watch


def opened(flows, number):
    flow = Flow(flows.listeners[0], "10.1.0.9", 40000 + number, number)
    flows.add_stream(flow)
    return flow


def test_nothing_new_is_nothing_said(flows, watch):
    assert watch.look() == {}


def test_a_port_that_the_kernel_chose_is_told_once(flows, watch):
    flows.listeners[0].bound_to(5060)
    assert watch.look() == {"listeners": [[0, 5060]]}
    assert watch.look() == {}


def test_connections_come_and_go(flows, watch):
    flow = opened(flows, 7)
    found = watch.look()
    assert found["streams"] == [[1, 0, "10.1.0.9", 40007, 7]]
    assert found["flows"][0][0] == 1
    assert watch.look() == {}
    flows.remove_stream(flow)
    other = opened(flows, 8)
    found = watch.look()
    assert found["gone"] == [1]
    assert found["streams"] == [[2, 0, "10.1.0.9", 40008, 8]]
    other.is_proven = True
    assert [row[0] for row in watch.look()["flows"]] == [2]


def test_a_half_open_connection_is_watched_to_its_end(flows, watch):
    flow = opened(flows, 7)
    watch.look()
    flow.half_open = 1
    flows.remove_stream(flow)
    assert [row[-1] for row in watch.look()["flows"]] == [1]
    assert watch.look() == {}
    flow.half_open = 0
    assert [row[-1] for row in watch.look()["flows"]] == [0]
    assert watch.look() == {}
    assert not watch._watched, "nobody keeps a flow that has ended"
