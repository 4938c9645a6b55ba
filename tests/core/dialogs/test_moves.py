"""A callee that moves is followed, and only where it has said itself that it is."""

import pytest

from tests.support.dialogs import Call, target_of
from tests.support.messages import line_of, read, response
from tests.support.playbook import HOSTS
from tests.support.registry import ALICE, Registry

NEW = f"sip:alice@{HOSTS['fe3']}:5070"
MINE = "<sip:alice@10.1.0.9:40000>"


@pytest.fixture
def call():
    registry = Registry(endpoints=())
    registry.register("<sip:alice@10.1.0.10:40001>", peer="bob")
    contact = "<sip:alice@10.1.0.10:40001>"
    return Call(
        registry, "client", "bob", uri=ALICE, contact=MINE, their_contact=contact
    )


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "NOTIFY"])
@pytest.mark.parametrize("form", ["<{}>", '"A" <{}>;+x=1', "{}"])
def test_a_callee_that_has_moved_is_found_where_it_says(call, method, form):
    seen = call.down(method, f"Contact: {form.format(NEW)}")
    assert seen.startswith(f"client < {method}")
    marked = target_of(call.play.last("client"), "")
    assert marked.startswith(f"{NEW};wp=")
    assert call.up("BYE", uri=marked) == f"fe3 < BYE {NEW}", "the mark is ours alone"


def test_and_after_a_restart(call):
    call.down("UPDATE", f"Contact: <{NEW}>")
    marked = target_of(call.play.last("client"), "")
    call.play = Registry(endpoints=())
    assert call.up("BYE", uri=marked) == f"fe3 < BYE {NEW}"


def test_an_answer_may_say_so_as_well(call):
    assert call.up("UPDATE", f"Contact: {MINE}").startswith("bob < UPDATE")
    asked = call.play.request_at("bob", "UPDATE")
    call.play.send("bob", response(asked, 200, f"Contact: <{NEW}>"))
    call.play.sees("client < 200")
    marked = target_of(call.play.last("client"), "")
    assert call.up("BYE", uri=marked) == f"fe3 < BYE {NEW}"


@pytest.mark.parametrize(
    "line",
    [
        f"m: <{NEW}>",
        f"CONTACT: <{NEW}>",
        f"Contact : <{NEW}>",
        f"Contact:\r\n <{NEW}>",
        f'Contact: "{NEW}" <{NEW}>',
        f'Contact: "<{NEW}>" <{NEW}>;x="<{NEW}>"',
        f'Contact: "a\\" <{NEW}>, b" <{NEW}>, <sip:other@10.0.0.9>',
        f'Contact: "a\r\n b" <{NEW}>',
        f"Contact: {NEW};q=1",
    ],
)
def test_in_whatever_spelling(call, line):
    """RFC 3261 section 7.3; a display name may hold the URI as well."""
    for tell in (call.down, call.up):
        if tell is call.down:
            call.down("UPDATE", line)
        else:
            call.up("UPDATE", f"Contact: {MINE}")
            asked = call.play.request_at("bob", "UPDATE")
            call.play.send("bob", response(asked, 200, line))
            call.settle()
        marked = target_of(call.play.last("client"), "")
        assert marked.startswith(f"{NEW};wp=")
        assert call.up("BYE", uri=marked) == f"fe3 < BYE {NEW}"


def test_on_its_connection_it_may_name_another_port():
    """A callee that keeps its connection is reached there, whatever port it says."""
    registry = Registry(endpoints=())
    contact = "<sip:alice@10.1.0.10:40001;transport=tcp>"
    registry.register(contact, peer="bob/tcp")
    other = "sip:alice@10.1.0.10:7777;transport=tcp"
    call = Call(
        registry, "client", "bob/tcp", uri=ALICE, contact=MINE, their_contact=contact
    )
    call.down("UPDATE", f"Contact: <{other}>")
    assert target_of(call.play.last("client"), "") == other
    assert call.up("BYE", uri=other) == f"bob/tcp < BYE {other}"
    assert call.up("BYE", uri="sip:alice@192.0.2.9:7777") == "client < 403 Forbidden"


def test_behind_a_nat_it_is_followed_by_its_flow(call):
    play = call.play
    private = "sip:alice@192.168.9.9:5062;transport=tcp"
    via = "SIP/2.0/TCP 192.168.9.9:5062;branch=z9hG4bK-new"
    seen = call.down("INVITE", f"Contact: <{private}>", peer="bob/tcp", via=via)
    assert seen.startswith("client < INVITE")
    marked = target_of(play.last("client"), "")
    assert call.up("BYE", uri=marked) == f"bob/tcp < BYE {private}"


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:alice@10.1.0.10:40001>",
        "<sip:alice@contoso.test;gr=1>",
        "<sip:x@10.0.0.5:5060>",
        "*",
        "tel:+1",
    ],
)
def test_the_contact_of_one_that_stays_leaves_as_it_came(call, contact):
    call.down("UPDATE", f"Contact:  {contact}")
    assert (
        line_of(call.play.last("client"), "Contact") == f"Contact:  {contact}".encode()
    )


def test_so_does_the_callers(call):
    call.up("INVITE", "Contact:  <sip:alice@10.0.1.2:5060>")
    line = line_of(call.play.last("bob"), "Contact")
    assert line == b"Contact:  <sip:alice@10.0.1.2:5060>"


def test_a_stranger_marks_nothing(call):
    call.down("UPDATE", f"Contact: <{NEW}>", peer="stranger")
    assert target_of(call.play.last("client"), "") == NEW
    assert call.up("BYE", uri=NEW) == "client < 403 Forbidden"


def test_a_mark_belongs_to_one_place(call):
    call.down("UPDATE", f"Contact: <{NEW}>")
    mark = target_of(call.play.last("client"), "").partition(";wp=")[2]
    other = f"sip:alice@10.66.6.6:6379;transport=tcp;wp={mark}"
    for uri in (other, f"sip:x@10.66.6.6;wp={mark}", f"{NEW};transport=tcp;wp={mark}"):
        assert call.up("INFO", uri=uri) == "client < 403 Forbidden"


def test_a_mark_is_no_record_route_and_the_other_way_round(call):
    call.down("UPDATE", f"Contact: <{NEW}>")
    marked = target_of(call.play.last("client"), "")
    assert call.up("INFO", uri=marked, routes=[]).startswith("client < 4")
    (ours,) = call.up_routes
    user = ours.partition(":")[2].partition("@")[0]
    assert call.up("INFO", uri=f"{NEW};wp={user}") == "client < 403 Forbidden"
    (theirs,) = call.down_routes
    user = theirs.partition(":")[2].partition("@")[0]
    assert call.up("INFO", uri=f"{NEW};wp={user}") == "client < 403 Forbidden"


def test_a_mark_is_set_once(call):
    call.down("UPDATE", f"Contact: <{NEW}>")
    marked = target_of(call.play.last("client"), "")
    call.down("UPDATE", f"Contact: <{marked}>")
    assert (
        read(call.play.last("client")).lines.count(f"Contact: <{marked}>".encode()) == 1
    )
