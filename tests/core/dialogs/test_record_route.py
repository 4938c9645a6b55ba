"""Our Record-Route leads each end of a dialog to the other one, wherever that is."""

import pytest

from proxy.core import commands, events
from proxy.core.dialogs import remote_targets
from tests.support.dialogs import Call, routes_of, target_of
from tests.support.messages import ALIAS, read, request, response
from tests.support.playbook import HOSTS, POOL
from tests.support.registry import ALICE, Registry

IN_DIALOG = ["ACK", "BYE", "INFO", "UPDATE", "MESSAGE", "OPTIONS"]
EDGE = f"sip:{HOSTS['edge']}:5060"


@pytest.fixture
def registry():
    return Registry(endpoints=())


# -- the callee is a client of ours --------------------------------------------------


@pytest.mark.parametrize("method", IN_DIALOG)
def test_a_callee_behind_a_nat_is_reached_inside_the_dialog_too(registry, method):
    contact = "<sip:alice@192.168.0.2:5062>"
    via = "SIP/2.0/UDP 192.168.0.2:5062;rport;branch=z9hG4bKnat"
    registry.register(contact, peer="bob", via=via)
    call = Call(registry, "client", "bob", uri=ALICE, their_contact=contact)
    assert call.up(method) == f"bob < {method} sip:alice@192.168.0.2:5062"


@pytest.mark.parametrize("method", ["ACK", "BYE"])
@pytest.mark.parametrize(
    "contact",
    [
        "<sip:alice@192.168.0.2:5062;transport=tcp>",
        "<sip:alice@192.168.0.2:5062>",
        "<sip:alice@10.1.0.10>",
        '<sip:alice@10.1.0.10:49999;transport=tcp>;+sip.instance="<urn:uuid:1>"',
        "<sip:alice@contoso.test;gr=urn:uuid:1>",
    ],
)
def test_a_callee_on_a_connection_is_reached_over_it(registry, contact, method):
    via = "SIP/2.0/TCP 192.168.0.2:5062;branch=z9hG4bKnat"
    more = "" if "instance" in contact else ';+sip.instance="<urn:uuid:1>"'
    registry.register(contact + more, peer="bob/tcp", via=via)
    call = Call(registry, "client", "bob/tcp", uri=ALICE, their_contact=contact)
    assert call.up(method).startswith(f"bob/tcp < {method} {call.up_target}")


def test_a_contact_that_somebody_else_registered_is_asked_where_it_says(registry):
    registry.register(f"<sip:alice@{HOSTS['fe3']}:5060>")
    contact = f"<sip:alice@{HOSTS['fe2']}:5060>"
    call = Call(registry, "client", "fe3", uri=ALICE, their_contact=contact)
    assert call.up("BYE").startswith("fe2 < BYE")


def test_a_callee_whose_connection_has_ended_is_tried_at_its_contact(registry):
    contact = f"<sip:alice@{HOSTS['bob']}:40001;transport=tcp>"
    registry.register(contact, peer="bob/tcp")
    call = Call(registry, "client", "bob/tcp", uri=ALICE, their_contact=contact)
    registry.closes("bob/tcp")
    assert call.up("BYE") == "connect bob/tcp"
    registry.cannot_connect("bob/tcp")
    registry.sees("client < 480")


# -- the callee is a server ----------------------------------------------------------


@pytest.mark.parametrize("method", IN_DIALOG)
@pytest.mark.parametrize(
    "contact",
    [
        "<sip:fe2.pcpool@contoso.test;gruu;opaque=srvr:MediationServer:x>",
        f"<{ALIAS}>",
        f"<{ALIAS};gruu;opaque=srvr:x>",
        f"<sip:channel@{POOL}>",
        f"<sip:channel@{HOSTS['fe2']}>",
        f"<sip:channel@fe2.{POOL}>",
        "",
    ],
)
def test_requests_go_to_the_front_end_that_made_the_dialog(play, contact, method):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.icmp("fe1")
    play.sees("fe2 < INVITE")
    invite = play.last("fe2")
    more = [f"Contact: {contact}"] if contact else []
    play.send("fe2", response(invite, 200, *more))
    play.sees("client < 200")
    answer = play.last("client")
    play.advance_quietly(400)  # the ejection of fe1 is over
    call = object.__new__(Call)
    call.play, call.caller, call.callee, call.uri = play, "client", "fe2", ALIAS
    call.call_id, call._branch, call.invite = "call-1", 0, invite
    call.learn()
    call.up_routes = routes_of(answer)[::-1]
    call.up_target = target_of(answer, ALIAS)
    for _ in range(12):
        assert call.up(method).startswith(f"fe2 < {method} ")


def test_a_front_end_that_is_gone_is_481_and_no_other_is_asked(play):
    call = Call(play, their_contact="<sip:fe1@contoso.test;gruu;opaque=srvr:x>")
    assert call.up("INFO").startswith("fe1 < INFO sip:fe1@contoso.test;gruu")
    play.icmp("fe1")
    play.sees("client < 481", f"blame {POOL} 481")


def test_a_pool_that_is_its_own_contact_may_send_somebody_else(play):
    call = Call(play, their_contact=f"<sip:channel@{POOL}>")
    assert call.up("INFO").startswith("fe1 < INFO")
    play.icmp("fe1")
    play.sees("fe2 < INFO")


def test_what_a_front_end_behind_tcp_calls_itself_needs_no_transport(playbook):
    play = playbook(transport="tcp")
    play.flow("fe1/tcp")
    call = Call(play, callee="fe1/tcp", their_contact=f"<sip:x@{HOSTS['fe1']}>")
    assert call.up("ACK") == f"fe1/tcp < ACK sip:x@{HOSTS['fe1']}"


def test_a_callee_may_be_somewhere_else_than_the_server_that_was_asked(play):
    call = Call(play, their_contact=f"<sip:channel@{HOSTS['fe3']}:5070>")
    assert call.up("ACK") == f"fe3 < ACK sip:channel@{HOSTS['fe3']}:5070"


def test_each_answer_of_a_fork_names_its_own_callee(play):
    """RFC 3261 section 12.1: early dialogs, told apart by the To tag."""
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    found = []
    for host, tag in (("fe2", "one"), ("fe3", "two")):
        contact = f"Contact: <sip:x@{HOSTS[host]}:5060>"
        play.answer("fe1", 183, contact, "Require: 100rel", to_tag=tag)
        play.sees("client < 183")
        found.append((host, routes_of(play.last("client"))[::-1]))
    for number, (host, routes) in enumerate(found):
        prack = request(
            f"PRACK sip:x@{HOSTS[host]}:5060",
            *(f"Route: {x}" for x in routes),
            to=f"<{ALIAS}>;tag=x",
            branch=f"z9hG4bK-p{number}",
        )
        play.send("client", prack)
        play.sees(f"{host} < PRACK")


def test_a_late_2xx_and_its_repetitions_name_who_sent_them(play):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    late = play.last("fe1")
    play.advance_quietly(4.1)
    assert play.sent[-1][0] == "fe2"
    play.send("fe1", response(late, 200, "Contact: <sip:x@contoso.test>"))
    assert routes_of(play.last("client"))
    first = play.last("client")
    play._script.clear()
    play.send("fe1", response(late, 200, "Contact: <sip:x@contoso.test>"))
    play.sees("client < 200")
    assert play.last("client") == first
    routes = [f"Route: {x}" for x in routes_of(first)[::-1]]
    to = f"<{ALIAS}>;tag=pool-1"
    play.send("client", request("ACK sip:x@contoso.test", *routes, to=to))
    play.sees("fe1 < ACK")


def test_a_proxy_behind_us_is_the_next_hop(play):
    """Its Record-Route stands above ours; the Contact behind it is its business."""
    call = Call(play, their_contact="<sip:x@192.0.2.77:9>", behind=(f"<{EDGE};lr>",))
    assert call.up("BYE") == "edge < BYE sip:x@192.0.2.77:9"


@pytest.mark.parametrize("status", [302, 404, 487, 603])
def test_a_refusal_does_not_show_the_caller_what_is_the_callees(play, status):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    (theirs,) = routes_of(play.last("fe1"))
    play.answer("fe1", status)
    play.sees("fe1 < ACK", f"client < {status}")
    assert theirs.encode() not in play.last("client")


@pytest.mark.parametrize(
    "spelled", ["record-route:", "Record-Route :", "RECORD-ROUTE:\t"]
)
def test_an_answer_may_spell_the_header_as_it_likes(play, spelled):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    answer = response(play.last("fe1"), 200, "m: <sip:x@10.0.1.3:5060>")
    play.send("fe1", answer.replace(b"Record-Route:", spelled.encode()))
    play.sees("client < 200")
    assert routes_of(play.last("client")) != routes_of(play.last("fe1"))


# -- the caller ----------------------------------------------------------------------


@pytest.mark.parametrize("method", IN_DIALOG)
def test_a_proxy_that_does_not_record_route_is_passed_by(play, method):
    """RFC 3261 section 16.6 item 7."""
    call = Call(
        play,
        "edge",
        contact="<sip:alice@10.1.0.9:40000>",
        via=[
            "SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bK-e",
            "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-c",
        ],
    )
    assert call.down(method) == f"client < {method} sip:alice@10.1.0.9:40000"


def test_so_is_one_whose_connection_is_open(playbook):
    play = playbook()
    call = Call(
        play,
        "edge/tcp",
        contact="<sip:alice@10.1.0.9:40000;transport=tcp>",
        via=[
            "SIP/2.0/TCP 10.0.2.1:5060;branch=z9hG4bK-e",
            "SIP/2.0/TCP 10.1.0.9:40000;branch=z9hG4bK-c",
        ],
    )
    assert call.down("BYE") == "connect client/tcp"
    play._connecting.clear()


def test_one_that_does_record_route_is_the_way(play):
    call = Call(
        play,
        "edge",
        contact="<sip:alice@10.1.0.9:40000>",
        before=(f"Record-Route: <{EDGE};lr>",),
        via=[
            "SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bK-e",
            "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-c",
        ],
    )
    assert call.down("BYE") == "edge < BYE sip:alice@10.1.0.9:40000"
    assert read(play.last("edge")).values("route") == [f"<{EDGE};lr>".encode()]


def test_a_caller_that_listens_at_another_port_gets_requests_there(play):
    """Without rport, answers go to the port of its Via, and so do requests."""
    call = Call(
        play,
        contact="<sip:alice@10.1.0.9:5555>",
        via="SIP/2.0/UDP 10.1.0.9:5555;branch=z9hG4bK-b",
    )
    bye = request(
        "BYE sip:alice@10.1.0.9:5555",
        *(f"Route: {x}" for x in call.down_routes),
        via="SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-bye",
        to="<sip:alice@contoso.test>;tag=alice-1",
    )
    event = events.MessageReceived(play.flow("fe1"), bye)
    (sent,) = play.core.handle(event, play.now)
    assert isinstance(sent, commands.Send)
    assert (sent.flow.host, sent.flow.port) == ("10.1.0.9", 5555)


@pytest.mark.parametrize("transport", ["", "/tcp"])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_caller_that_has_moved_is_found_where_it_says(playbook, transport, method):
    """RFC 3261 section 12.2: a target refresh."""
    play = playbook()
    suffix = ";transport=tcp" if transport else ""
    call = Call(
        play,
        "client" + transport,
        contact=f"<sip:alice@10.1.0.9:40000{suffix}>",
        their_contact="<sip:x@10.0.1.1>",
    )
    moved = f"sip:alice@10.1.0.10:40001{suffix}"
    arrived = call.up(method, f"Contact: <{moved}>", peer="bob" + transport)
    assert arrived.startswith(f"fe1 < {method}")
    uri = target_of(play.last("fe1"), "")
    assert uri == moved
    assert call.down("BYE", uri=uri) == f"bob{transport} < BYE {moved}"


def test_a_caller_behind_a_nat_keeps_its_flow(playbook):
    play = playbook()
    contact = "<sip:alice@192.168.0.2:5062;transport=tcp>"
    via = "SIP/2.0/TCP 192.168.0.2:5062;branch=z9hG4bKnat"
    call = Call(play, "client/tcp", contact=contact, via=via)
    assert call.down("BYE").startswith("client/tcp < BYE sip:alice@192.168.0.2:5062")


def test_a_useless_contact_on_a_connection_leads_back_over_it_all_the_same(playbook):
    play = playbook(unresolved=False)
    call = Call(
        play,
        "client/tcp",
        contact="<sip:alice@10.1.7.7:5060;transport=tcp>",
        via="SIP/2.0/TCP 10.1.7.7:5060;branch=z9hG4bK-x",
    )
    assert call.down("BYE").startswith("client/tcp < BYE sip:alice@10.1.7.7")


# -- SUBSCRIBE and NOTIFY ------------------------------------------------------------


def test_a_notify_may_come_before_the_answer_to_its_subscribe(play):
    """RFC 6665 section 4.1.2.4."""
    play.send(
        "client", request(f"SUBSCRIBE {ALIAS}", "Contact: <sip:a@10.1.0.9:40000>")
    )
    play.sees("fe1 < SUBSCRIBE")
    subscribe = play.last("fe1")
    notify = request(
        "NOTIFY sip:a@10.1.0.9:40000",
        *(f"Route: {x}" for x in routes_of(subscribe)),
        "Contact: <sip:x@contoso.test>",
        from_=f"<{ALIAS}>;tag=n",
        to="<sip:alice@contoso.test>;tag=alice-1",
        via="SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-n",
    )
    play.send("fe1", notify)
    play.sees("client < NOTIFY sip:a@10.1.0.9:40000")
    play.answer("client", 200)
    play.sees("fe1 < 200")
    play.answer("fe1", 202, "Contact: <sip:x@contoso.test>", to="SUBSCRIBE")
    play.sees("client < 202")
    routes = [f"Route: {x}" for x in routes_of(play.last("client"))[::-1]]
    again = request(
        "SUBSCRIBE sip:x@contoso.test",
        *routes,
        to=f"<{ALIAS}>;tag=n",
        branch="z9hG4bK-s2",
    )
    play.send("client", again)
    play.sees("fe1 < SUBSCRIBE sip:x@contoso.test")


def test_who_knows_the_notifier_from_its_notify_alone_can_subscribe_again(play):
    """RFC 6665 sections 4.3 and 4.4.1: the NOTIFY may make the dialog, so it has a way
    back as an answer has, through us."""
    play.send(
        "client", request(f"SUBSCRIBE {ALIAS}", "Contact: <sip:a@10.1.0.9:40000>")
    )
    play.sees("fe1 < SUBSCRIBE")
    notify = request(
        "NOTIFY sip:a@10.1.0.9:40000",
        *(f"Route: {x}" for x in routes_of(play.last("fe1"))),
        "Contact: <sip:x@contoso.test>",
        from_=f"<{ALIAS}>;tag=n",
        to="<sip:alice@contoso.test>;tag=alice-1",
        via="SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-n",
    )
    play.send("fe1", notify)
    play.sees("client < NOTIFY sip:a@10.1.0.9:40000")
    again = request(
        "SUBSCRIBE sip:x@contoso.test",
        *(f"Route: {x}" for x in routes_of(play.last("client"))),
        to=f"<{ALIAS}>;tag=n",
        branch="z9hG4bK-s2",
    )
    play.send("client", again)
    play.sees("fe1 < SUBSCRIBE sip:x@contoso.test")


def test_the_lines_of_notifies_from_one_place_are_made_once(play):
    """As the entries of SUBSCRIBEs are; other Contacts and new keys get their own."""
    play.send(
        "client", request(f"SUBSCRIBE {ALIAS}", "Contact: <sip:a@10.1.0.9:40000>")
    )
    play.sees("fe1 < SUBSCRIBE")
    routes = [f"Route: {x}" for x in routes_of(play.last("fe1"))]

    def notified(number: int, contact: str) -> list[str]:
        play.send(
            "fe1",
            request(
                "NOTIFY sip:a@10.1.0.9:40000",
                *routes,
                f"Contact: <{contact}>",
                from_=f"<{ALIAS}>;tag=n",
                to="<sip:alice@contoso.test>;tag=alice-1",
                via=f"SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-n{number}",
            ),
        )
        play.sees("client < NOTIFY sip:a@10.1.0.9:40000")
        return routes_of(play.last("client"))

    kept = play.core.forwarder.record_routes._notified
    first = notified(1, "sip:x@10.0.1.1:5060")
    assert notified(2, "sip:y@10.0.1.1:5060") == first
    assert len(kept) == 1
    assert notified(3, "sip:x@10.0.1.99:5060") != first  # it names another next hop
    assert len(kept) == 2
    keys = (b"a new key of thirty-two bytes....", *play.core.tokens._keys)
    play.core.handle(events.KeysChanged(keys), play.now)
    assert notified(4, "sip:x@10.0.1.1:5060") != first
    assert len(kept) == 1


def test_what_contacts_said_is_kept_within_bounds():
    for number in range(3 * remote_targets._KEPT):
        value = b"<sip:x@h%d.example:5060;ob>" % number
        target = remote_targets.target_in(value)
        assert target.uri.host == f"h{number}.example" and target.wants_flow
        assert remote_targets.target_in(value) is target
    assert remote_targets.target_in(b"<sip:x@" + b"h" * 300 + b">") is not None
    assert remote_targets.target_in(b"<sip:") is None
    assert len(remote_targets._read) <= remote_targets._KEPT


def test_a_notify_from_behind_a_nat_leads_down_its_flow():
    registry = Registry(endpoints=())
    private = "sip:alice@192.168.9.9:5062;transport=tcp"
    via = "SIP/2.0/TCP 192.168.9.9:5062;branch=z9hG4bK-n"
    registry.register(f"<{private}>", peer="bob/tcp", via=via)
    call = Call(
        registry,
        "client",
        "bob/tcp",
        uri=ALICE,
        method="SUBSCRIBE",
        contact="<sip:a@10.1.0.9:40000>",
        their_contact=f"<{private}>",
    )
    seen = call.down("NOTIFY", f"Contact: <{private}>", via=via)
    assert seen == "client < NOTIFY sip:a@10.1.0.9:40000"
    routes = routes_of(registry.last("client"))
    assert len(routes) == 2, "one for each listener"
    seen = call.up("SUBSCRIBE", uri=private, routes=routes)
    assert seen == f"bob/tcp < SUBSCRIBE {private}"


def test_a_stranger_with_the_callees_token_puts_nobody_into_a_route():
    registry = Registry(endpoints=())
    registry.register("<sip:alice@10.1.0.10:40001>", peer="bob")
    call = Call(
        registry,
        "client",
        "bob",
        uri=ALICE,
        method="SUBSCRIBE",
        contact="<sip:a@10.1.0.9:40000>",
        their_contact="<sip:alice@10.1.0.10:40001>",
    )
    seen = call.down("NOTIFY", "Contact: <sip:x@10.0.0.5:5060>", peer="fe3")
    assert seen == "client < NOTIFY sip:a@10.1.0.9:40000"
    assert routes_of(registry.last("client")) == []


# -- what it costs -------------------------------------------------------------------


def test_a_user_part_is_short(play):
    call = Call(play, contact="<sip:a@10.1.0.9:40000>", their_contact="<sip:x@h.test>")
    for (route,) in (call.up_routes, call.down_routes):
        assert len(route.partition("@")[0]) <= len("<sip:") + 80


def test_entries_are_made_once_and_their_number_is_limited(play):
    call = Call(play, contact="<sip:a@10.1.0.9:40000>", their_contact="<sip:x@h.test>")
    owner = play.core.forwarder.record_routes
    for number in range(20):
        Call(
            play,
            contact="<sip:a@10.1.0.9:40000>",
            their_contact="<sip:x@h.test>",
            call_id=f"again {number}",
            via=f"SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-again{number}",
        )
    assert len(owner._entries) == owner.kept_answers == 1
    assert call.up("BYE").startswith("resolve h.test")
    for contact in ("<sip:b.c@10.1.0.9:40000>", '"B" <sip:b@10.1.0.9:40000>'):
        via = f"SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-{len(contact)}"
        Call(play, contact=contact, call_id=contact, via=via)
    assert len(owner._entries) == 2  # the user does not matter, the form does
    long = f"<sip:a@10.1.0.9:40000;x={'a' * 600}>"
    Call(play, contact=long, call_id="long", via="SIP/2.0/UDP c;branch=z9hG4bK-long")
    assert len(owner._entries) == 2
    longer = f"SIP/2.0/UDP c;x={'v' * 7_000};branch=z9hG4bK-longer"
    Call(play, contact="<sip:a@10.1.0.9:40000>", call_id="longer", via=longer)
    assert len(owner._entries) == 2


@pytest.mark.parametrize("contact", ["*", "tel:+1", "<sip:@>", '"', "<sip:a@[::1>"])
def test_a_contact_that_cannot_be_read_leaves_the_flow_to_find_its_owner(play, contact):
    play.send("client", request(f"INVITE {ALIAS}", f"Contact: {contact}"))
    play.sees("client < 100", "fe1 < INVITE")
    down = routes_of(play.last("fe1"))
    play.answer("fe1", 200, f"Contact: {contact}")
    play.sees("client < 200")
    up = routes_of(play.last("client"))
    info = request(f"INFO {ALIAS}", f"Route: {up[0]}", to=f"<{ALIAS}>;tag=pool-1")
    play.send("client", info)
    play.sees("fe1 < INFO")
    bye = request(
        "BYE sip:alice@contoso.test",
        f"Route: {down[0]}",
        to="<sip:alice@contoso.test>;tag=alice-1",
        via="SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-bye",
    )
    play.send("fe1", bye)
    play.sees("client < BYE")


def test_the_dialog_outlives_the_proxy(playbook):
    before, after = playbook(), playbook()
    call = Call(
        before, contact="<sip:a@10.1.0.9:40000>", their_contact="<sip:x@contoso.test>"
    )
    call.play = after
    assert call.up("INFO").startswith("fe1 < INFO")
    assert call.down("INFO").startswith("client < INFO")
