"""Every event and command has its place in an event log, and nothing else is made."""

import inspect
import json
import typing
from ipaddress import ip_network

import pytest

from proxy.core import commands, events
from proxy.core.settings import CoreSettings, RegistrarSettings
from proxy.endpoints.model import (
    Canary,
    Cutover,
    Drain,
    Endpoint,
    Guard,
    LearnedUri,
    Pool,
    Switch,
)
from proxy.endpoints.table import EndpointTable
from proxy.location.binding import Binding, BindingChange
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.health import Ejection
from proxy.server.event_log import codec as codec_module
from proxy.server.event_log.codec import COMMANDS, EVENTS, Codec, Numbers
from proxy.sip.flow import Flow, Listener
from proxy.sip.message import Request

LISTENERS = [Listener("udp", "10.0.0.5", 5060), Listener("tcp", "::1", 5060, index=1)]
FRONT_END = FrontEnd("tcp", "10.0.1.1", 5060, "fe1", "pool", 1, 2)
LOOKUP = Lookup("pool", None, "tcp")
BINDING = Binding("a@b", b"k", b"sip:a@\xff", b"<sip:a>", 0.5, 9.25, 1.0, b"id", 3)


def through(value, codec=None):
    """Written, put into a file, read."""
    codec = codec or Codec(LISTENERS)
    return codec.read(json.loads(json.dumps(codec.write(value))))


@pytest.mark.parametrize(
    ("union", "listed"),
    [(events.Event, EVENTS), (commands.Command, COMMANDS)],
    ids=["events", "commands"],
)
def test_each_is_listed_with_the_arguments_of_its_constructor(union, listed):
    assert set(typing.get_args(union)) == set(listed)
    for kind, words in listed.items():
        if kind.__init__ is object.__init__:
            assert words == ""
        else:
            names = list(inspect.signature(kind.__init__).parameters)[1:]
            assert words.split() == names, kind


@pytest.mark.parametrize(
    "value",
    [
        None,
        -1.5,
        "é",
        b"\x00\xff\r\n",
        (1, "a", b"b"),
        [(), [None]],
        frozenset({"a", "b"}),
        {1: "sip:a", "b": {"c": b""}},
        ip_network("10.0.0.0/8"),
        FRONT_END,
        LOOKUP,
        Ejection(("udp", "10.0.1.1", 5060, "pool"), 1.0, 2.0, 3, "silent"),
        CoreSettings(
            keys=(b"\x80",),
            trusted_networks=(ip_network("2001:db8::/32"),),
            registrar=RegistrarSettings("realm", "domain"),
            node_address=("10.0.0.5", 5060),
        ),
    ],
    ids=repr,
)
def test_a_value_comes_back_as_it_was(value):
    found = through(value)
    assert found == value
    assert type(found) is type(value)


def test_a_table_comes_back_with_the_order_of_its_rows():
    endpoint = Endpoint(
        "sip:B@c", "b@c", "Pool", canary=Canary("other", 5, frozenset({"x@c"}))
    )
    learned = LearnedUri("sip:gc@c", "gc@c", "third", "b@c", 1.0, 2.0)
    drain = Drain("fe1.test", 5060, "z", "patch", "anna", 1.5, 2.5)
    table = EndpointTable(
        [endpoint], [Pool("z", "tcp", 5)], [learned], version=7, drains=[drain]
    )
    found = through(table)
    assert found.endpoints == table.endpoints
    assert list(found.pools.items()) == list(table.pools.items())
    assert (found.learned, found.version) == (table.learned, 7)
    assert found.drains == (drain,)


def test_a_guarded_cutover_comes_back():
    before, after = Endpoint("sip:b@c", "b@c", "Old"), Endpoint("sip:b@c", "b@c", "New")
    cutover = Cutover(
        7, "applied", "weekend", 1.0, "me", switches=(Switch(before, after),),
        guard=Guard(5.0, 20, 1800.0, "boot", 90.0, True),
    )  # fmt: skip
    found = through(events.TableChanged(EndpointTable([after], cutover=cutover)))
    assert found.table.cutover == cutover


IN_ANOTHER_FORM = {EndpointTable, Flow, Listener, Request, Resolution}
"""What the codec writes and reads by a method of its own."""


def test_whatever_a_listed_class_may_hold_is_listed():
    listed = {*codec_module._FIELDS, *IN_ANOTHER_FORM}
    left, reached = [*codec_module._FIELDS, EndpointTable, Resolution], set()
    while left:
        kind = left.pop()
        for hints in (typing.get_type_hints(kind), constructor_hints(kind)):
            for held in classes_in(hints.values()):
                if held not in reached and held not in IN_ANOTHER_FORM:
                    left.append(held)
                reached.add(held)
    assert {Guard, Switch, Canary, FrontEnd} <= reached
    assert reached - listed == set()


def constructor_hints(kind):
    if kind.__init__ is object.__init__:
        return {}
    return typing.get_type_hints(kind.__init__)


def classes_in(hints):
    """Our own classes in annotations, however deep."""
    for hint in hints:
        if isinstance(hint, type) and hint.__module__.startswith("proxy."):
            yield hint
        yield from classes_in(typing.get_args(hint))


def test_bindings_come_back_with_every_field():
    found = through(events.BindingsChanged([BindingChange("a@b", b"k", BINDING)]))
    (change,) = found.changes
    assert (change.aor, change.key, change.after.row()) == ("a@b", b"k", BINDING.row())


def test_a_resolution_stays_one_and_its_reason_is_followed():
    writer, reader = Codec(LISTENERS), Codec(LISTENERS)
    groups = {"tcp": ((FRONT_END,),)}
    known = Resolution(LOOKUP, groups, expires=5.0, naptr_order=("tcp",))
    known.stale_since = 3.0
    first = reader.read(writer.write(known))
    assert (first.lookup, first.groups) == (LOOKUP, groups)
    assert (first.naptr_order, first.expires, first.stale_since) == (("tcp",), 5.0, 3.0)
    known.reason = "asked again in vain"
    again = reader.read(writer.write(events.Resolved(LOOKUP, known)))
    assert again.resolution is first
    assert first.reason == "asked again in vain"
    assert writer.write(known) == {"resolution": 1}


def test_flows_and_tickets_are_numbers():
    codec = Codec(LISTENERS)
    flow, ticket = Flow(LISTENERS[1], "::2", 9), object()
    saved = codec.write(commands.SaveBindings([], ticket))
    assert saved["ticket"] == 1
    assert codec.read(codec.write(events.BindingsSaved([ticket]))).tickets == [ticket]
    assert codec.read(codec.write(events.MessageReceived(flow, b"x"))).flow is flow
    front_end = codec.write(commands.Connect(FRONT_END, LISTENERS[1], 2.0))
    assert front_end["listener"] == {"listener": 1}


def test_a_file_makes_no_other_class():
    for wrong in ({"o": "Popen", "args": "x"}, {"o": "Send"}, {"x": 1}):
        with pytest.raises(KeyError):
            Codec(LISTENERS).read(wrong)
    with pytest.raises(TypeError, match="has no place in an event log"):
        Codec(LISTENERS).write(object())


def test_numbers_are_those_of_the_first_sight():
    numbers, one, two = Numbers(), object(), object()
    assert (numbers.of(two), numbers.of(one), numbers.of(two)) == (1, 2, 1)
    assert numbers.thing(2) is one
    assert one in numbers and object() not in numbers
