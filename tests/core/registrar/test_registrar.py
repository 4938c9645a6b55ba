"""RFC 3261 section 10.3, on a virtual clock and without a store.

The themes follow the registrar cases of resiprocate's repro tests.
"""

import pytest

from proxy.core import events
from proxy.location.binding import FIELDS, Binding, BindingChange
from tests.support.messages import request
from tests.support.playbook import Playbook, endpoint
from tests.support.registry import ALICE, Registry

HOME, WORK = "<sip:alice@10.1.0.9:40000>", "<sip:alice@10.1.0.7:5060>"


@pytest.fixture
def registry():
    return Registry()


def contacts(answer):
    return [v.decode() for v in answer.values("contact")]


def test_a_registration_is_answered_with_its_binding(registry):
    answer = registry.register(HOME)
    assert answer.status == 200
    assert contacts(answer) == [f"{HOME};expires=3600"]
    assert registry.bound() == ["sip:alice@10.1.0.9:40000"]


def test_nothing_is_said_or_bound_before_the_store_has_it(registry):
    registry.send_register(HOME)
    registry.sees()
    assert registry.bound() == []
    registry.saves()
    registry.sees("client < 200")
    assert registry.bound() == ["sip:alice@10.1.0.9:40000"]


def test_a_store_that_fails_makes_503_and_binds_nothing(registry):
    registry.send_register(HOME)
    registry.saves(fails="disk full")
    registry.sees("client < 503")
    assert b"Retry-After: 10" in registry.last("client")
    assert registry.bound() == []


def test_a_retransmission_while_the_store_works_is_absorbed(registry):
    for _ in range(2):
        registry.send_register(
            HOME, cseq=1, via="SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bKsame"
        )
    assert len(registry.unsaved) == 1
    registry.saves()
    registry.sees("client < 200")


def test_the_answer_has_what_a_legacy_client_looks_for(registry):
    answer = registry.register(HOME)
    assert answer.value("expires") == b"3600"
    assert b"Supported: msrtc-event-categories" in answer.lines
    assert b"Allow-Events: vnd-microsoft-provisioning-v2" in answer.lines
    assert answer.value("date") == b"Thu, 01 Jan 1970 00:16:40 GMT"


def test_contact_parameters_come_back_as_they_were_sent(registry):
    legacy = (
        "<sip:10.1.0.9:40000;transport=tcp;ms-opaque=d3470f2e1d>"
        ';methods="INVITE, MESSAGE, INFO";proxy=replace'
        ';+sip.instance="<urn:uuid:4b1682a8-f968-5701-83fc-7c6741dc6697>"'
    )
    assert contacts(registry.register(legacy)) == [f"{legacy};expires=3600"]
    binding = registry.core.location.live("alice@contoso.test", registry.now)[0]
    assert binding.epid == "0badcafe"
    assert binding.instance == b"<urn:uuid:4b1682a8-f968-5701-83fc-7c6741dc6697>"


def test_a_contact_without_brackets_gets_them(registry):
    answer = registry.register("sip:alice@10.1.0.9:40000;q=0.5;expires=90")
    assert contacts(answer) == ["<sip:alice@10.1.0.9:40000>;q=0.5;expires=90"]


def test_brackets_inside_a_parameter_are_not_those_of_the_address(registry):
    instance = ';+sip.instance="<urn:uuid:4b1682a8-f968-5701-83fc-7c6741dc6697>"'
    for uri in ("<sip:alice@10.1.0.9:40000>", "sip:alice@10.1.0.9:40000"):
        answer = registry.register(f"{uri};expires=90{instance}")
        shown = f"<sip:alice@10.1.0.9:40000>{instance};expires=90"
        assert contacts(answer) == [shown]


def test_a_query_lists_every_binding_on_a_line_of_its_own(registry):
    registry.register(f"{HOME};q=0.3")
    registry.register(f"{WORK};q=0.9", call_id="register-2")
    registry.advance(100)
    answer = registry.register()
    assert contacts(answer) == [
        f"{WORK};q=0.9;expires=3500",
        f"{HOME};q=0.3;expires=3500",
    ]
    assert "expires" not in answer.index


def test_a_query_for_nobody_has_no_contact(registry):
    answer = registry.register()
    assert (answer.status, contacts(answer)) == (200, [])


def test_a_refresh_moves_the_expiry(registry):
    registry.register(f"{HOME};expires=100")
    registry.advance(90)
    answer = registry.register(f"{HOME};expires=100")
    assert contacts(answer) == [f"{HOME};expires=100"]
    registry.advance(99)
    assert registry.bound() == ["sip:alice@10.1.0.9:40000"]


def test_a_refresh_changes_q(registry):
    registry.register(f"{HOME};q=0.9", f"{WORK};q=0.5")
    registry.register(f"{HOME};q=0.1")
    assert registry.bound() == ["sip:alice@10.1.0.7:5060", "sip:alice@10.1.0.9:40000"]


def test_a_third_party_may_refresh_with_a_call_of_its_own(registry):
    registry.register(HOME, cseq=7)
    answer = registry.register(HOME, peer="bob", call_id="other", cseq=1)
    assert answer.status == 200


def test_a_binding_ends_when_its_time_is_over(registry):
    registry.register(f"{HOME};expires=60")
    registry.advance(60)
    assert registry.bound() == []


def test_contacts_of_one_register_may_expire_apart(registry):
    answer = registry.register(f"{HOME};expires=60", WORK, headers=("Expires: 600",))
    assert contacts(answer) == [f"{HOME};expires=60", f"{WORK};expires=600"]
    assert answer.value("expires") == b"60"
    registry.advance(61)
    assert registry.bound() == ["sip:alice@10.1.0.7:5060"]


@pytest.mark.parametrize(
    ("contact", "headers", "granted"),
    [
        (HOME, (), 3600),
        (HOME, ("Expires: 120",), 120),
        (f"{HOME};expires=300", ("Expires: 120",), 300),
        (f"{HOME};expires=99999", (), 7200),
        (f"{HOME};expires=99999999999999999999", (), 7200),
        (f"{HOME};expires=soon", (), 3600),
        (HOME, ("Expires: -1",), 3600),
    ],
)
def test_the_expiry_is_parameter_then_header_then_default(
    registry, contact, headers, granted
):
    answer = registry.register(contact, headers=headers)
    assert contacts(answer) == [f"{HOME};expires={granted}"]
    assert answer.value("expires") == b"%d" % granted


def test_too_short_an_expiry_is_423_and_binds_nothing_at_all(registry):
    answer = registry.register(HOME, f"{WORK};expires=59")
    assert (answer.status, answer.value("min-expires")) == (423, b"60")
    assert registry.bound() == []


def test_expires_zero_removes_one_contact(registry):
    registry.register(HOME, WORK)
    answer = registry.register(f"{HOME};expires=0")
    assert contacts(answer) == [f"{WORK};expires=3600"]
    assert answer.value("expires") == b"0"


def test_removing_what_is_not_there_is_no_error(registry):
    assert registry.register(HOME, headers=("Expires: 0",)).status == 200
    registry.register(f"{HOME};expires=60")
    registry.advance(61)
    assert registry.register(HOME, headers=("Expires: 0",)).status == 200


def test_the_wildcard_removes_everything(registry):
    registry.register(HOME, WORK)
    answer = registry.register("*", headers=("Expires: 0",))
    assert (answer.status, contacts(answer)) == (200, [])
    assert registry.bound() == []


@pytest.mark.parametrize(
    ("values", "headers"),
    [
        (("*",), ()),
        (("*",), ("Expires: 60",)),
        (("*", HOME), ("Expires: 0",)),
        (("*, " + HOME,), ("Expires: 0",)),
    ],
)
def test_the_wildcard_needs_expires_zero_and_solitude(registry, values, headers):
    registry.register(WORK)
    assert registry.register(*values, headers=headers).status == 400
    assert registry.bound() == ["sip:alice@10.1.0.7:5060"]


@pytest.mark.parametrize("cseq", [4, 5])
def test_an_older_request_of_the_same_call_fails_as_a_whole(registry, cseq):
    registry.register(HOME, cseq=5)
    answer = registry.register(WORK, f"{HOME};expires=0", cseq=cseq)
    assert answer.status == 500
    assert registry.bound() == ["sip:alice@10.1.0.9:40000"]
    assert registry.register("*", cseq=cseq, headers=("Expires: 0",)).status == 500


def test_requests_for_one_address_are_taken_one_after_the_other(registry):
    registry.send_register(HOME, cseq=1)
    registry.send_register(WORK, cseq=2)
    registry.send_register("*", cseq=3, headers=("Expires: 0",))
    assert len(registry.unsaved) == 1
    registry.saves()
    registry.sees("client < 200")
    assert len(registry.unsaved) == 1
    registry.saves()
    registry.saves()
    assert registry.bound() == []
    assert registry.core.registrar.waiting == 0


def test_what_another_node_has_saved_since_is_not_overwritten(registry):
    """Workers are told before we bind, and meanwhile news may come from a node."""
    registry.send_register(HOME, cseq=1)
    command = registry.unsaved[0]
    ours = command.changes[0].after
    fields = dict(zip(FIELDS, ours.row(), strict=True))
    later = Binding(**{**fields, "cseq": 2, "uri": b"sip:alice@10.1.0.77:5060"})
    registry.others_save(BindingChange(ours.aor, ours.key, later))
    registry.saves()
    assert registry.bound() == ["sip:alice@10.1.0.77:5060"]


def test_addresses_do_not_wait_for_each_other(registry):
    registry.send_register(HOME)
    registry.send_register(HOME, aor="sip:carol@contoso.test")
    assert len(registry.unsaved) == 2


def test_who_waits_behind_a_failed_store_gets_a_turn(registry):
    registry.send_register(HOME)
    registry.send_register(WORK)
    registry.saves(fails="locked")
    registry.saves()
    assert registry.bound() == ["sip:alice@10.1.0.7:5060"]


def test_ten_contacts_are_the_most_for_one_address():
    registry = Registry()
    for n in range(10):
        assert registry.register(f"<sip:alice@10.1.0.9:{5000 + n}>").status == 200
    assert registry.register("<sip:alice@10.1.0.9:6000>").status == 403
    assert len(registry.bound()) == 10
    # One for another is fine: what counts is what is left in the end.
    swap = ("<sip:alice@10.1.0.9:5000>;expires=0", "<sip:alice@10.1.0.9:6000>")
    assert registry.register(*swap).status == 200


def test_eleven_contacts_in_one_request_are_refused(registry):
    many = [f"<sip:alice@10.1.0.9:{5000 + n}>" for n in range(11)]
    assert registry.register(*many).status == 403
    assert registry.bound() == []


def test_a_client_that_comes_back_from_another_port_replaces_itself(registry):
    instance = ';+sip.instance="<urn:uuid:1>"'
    registry.register(f"<sip:alice@10.1.0.9:40000>{instance}")
    registry.register(f"<sip:alice@10.1.0.9:40001>{instance}", call_id="new")
    assert registry.bound() == ["sip:alice@10.1.0.9:40001"]


def test_reg_id_tells_the_flows_of_one_instance_apart(registry):
    instance = ';+sip.instance="<urn:uuid:1>"'
    registry.register(f"<sip:alice@10.1.0.9:40000>{instance};reg-id=1")
    registry.register(f"<sip:alice@10.1.0.9:40001>{instance};reg-id=2")
    assert len(registry.bound()) == 2


def test_one_instance_with_two_contacts_in_one_request_keeps_both(registry):
    instance = ';+sip.instance="<urn:uuid:1>"'
    registry.register(HOME + instance, WORK + instance)
    assert len(registry.bound()) == 2


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ("sip:alice@10.1.0.9", "SIP:alice@10.1.0.9", True),
        ("sip:alice@HOST.test", "sip:alice@host.test", True),
        ("sip:alice@10.1.0.9;a=1;b=2", "sip:alice@10.1.0.9;b=2;A=1", True),
        ("sip:alice@10.1.0.9", "sip:Alice@10.1.0.9", False),
        ("sip:alice@10.1.0.9", "sip:alice@10.1.0.9:5060", False),
        ("sip:alice@10.1.0.9", "sips:alice@10.1.0.9", False),
        ("sip:alice@10.1.0.9;transport=tcp", "sip:alice@10.1.0.9;transport=udp", False),
        ("sip:alice@10.1.0.9", "sip:bob@10.1.0.9", False),
    ],
)
def test_contacts_are_compared_as_uris(registry, one, other, are_equal):
    registry.register(f"<{one}>")
    registry.register(f"<{other}>")
    assert len(registry.bound()) == (1 if are_equal else 2)


@pytest.mark.parametrize(
    "contact",
    [
        "<tel:+1234>",
        "<sip:>",
        f"{HOME};q=1.5",
        f"{HOME};q=high",
        f"<sip:{'a' * 1100}@10.1.0.9>",
        "<sip:alice@10.1.0.9",
    ],
)
def test_a_contact_that_cannot_be_used_is_400(registry, contact):
    assert registry.register(contact).status == 400
    assert registry.bound() == []


def test_an_oversized_call_id_is_400(registry):
    assert registry.register(HOME, call_id="x" * 3000).status == 400


@pytest.mark.parametrize(
    "aor", ["sip:contoso.test", "sip:alice@elsewhere.test", "sip:alice@10.0.0.5"]
)
def test_an_address_that_is_not_in_our_domain_is_404(registry, aor):
    assert registry.register(HOME, aor=aor).status == 404


@pytest.mark.parametrize(
    "uri", ["sip:contoso.test", "sip:10.0.0.5:5060", "sip:alice@contoso.test"]
)
def test_the_request_uri_may_name_the_domain_or_us(registry, uri):
    assert registry.register(HOME, uri=uri).status == 200


def test_a_register_for_another_domain_is_not_for_us(registry):
    registry.send_register(HOME, uri="sip:elsewhere.test")
    registry.sees("client < 403")


def test_the_user_part_of_an_address_has_no_case(registry):
    registry.register(HOME, aor="sip:Alice@Contoso.test")
    assert registry.bound() == ["sip:alice@10.1.0.9:40000"]


def test_an_extension_that_is_not_known_is_420(registry):
    answer = registry.register(HOME, headers=("Require: path, moonlight",))
    assert (answer.status, answer.value("unsupported")) == (420, b"moonlight")


def test_path_is_kept_and_echoed_to_who_understands_it(registry):
    path = ("Path: <sip:edge.contoso.test;lr>", "Path: <sip:inner;lr>")
    answer = registry.register(HOME, headers=(*path, "Supported: path"))
    assert [v.decode() for v in answer.values("path")] == [p[6:] for p in path]
    assert "path" not in registry.register(HOME, headers=path).index
    binding = registry.core.location.live("alice@contoso.test", registry.now)[0]
    assert binding.routes == [b"<sip:edge.contoso.test;lr>", b"<sip:inner;lr>"]


def test_outbound_is_confirmed_to_who_asks_over_a_flow(registry):
    contact = registry.contact_of("client/tcp")
    answer = registry.register(
        f'{contact};+sip.instance="<urn:uuid:1>";reg-id=1',
        peer="client/tcp",
        headers=("Supported: outbound",),
    )
    assert answer.value("require") == b"outbound"
    assert registry.flow("client/tcp").wants_pong  # RFC 5626 section 5.4


def test_a_legacy_client_on_a_connection_is_told_how_often_to_keep_it_alive(registry):
    asks = ("ms-keep-alive: UAC;hop-hop=yes",)
    answer = registry.register(
        registry.contact_of("client/tcp"), peer="client/tcp", headers=asks
    )
    assert answer.value("ms-keep-alive").startswith(b"UAS; tcp=no; hop-hop=yes")
    assert answer.value("ms-keep-alive").endswith(b"timeout=300")
    assert "ms-keep-alive" not in registry.register(HOME, headers=asks).index


def test_an_endpoint_cannot_be_registered_and_the_old_service_is_reported(registry):
    answer = registry.register(
        HOME, aor="sip:ocschat@contoso.test", headers=("User-Agent: RTC/3.5",)
    )
    assert answer.status == 403
    assert b"old Lookup service at 10.1.0.9 is still alive" in answer.lines[0]
    (conflict,) = registry.conflicts
    assert conflict.endpoint_key == "ocschat@contoso.test"
    assert (conflict.source, conflict.user_agent) == ("udp:10.1.0.9", "RTC/3.5")


def test_the_old_service_may_still_sign_off_after_the_switch():
    registry = Registry(endpoints=())
    aor = "sip:ocschat@contoso.test"
    registry.register(HOME, aor=aor)
    table = type(registry.table)((endpoint(),))
    registry.table_changes(table)
    assert registry.register(f"{HOME};expires=0", aor=aor).status == 200
    assert registry.conflicts == []
    assert registry.bound(aor) == []


def test_bindings_from_the_store_count_from_the_start(registry):
    registry.register(HOME)
    bindings = registry.core.location.live("alice@contoso.test", registry.now)
    fresh = Registry()
    fresh.core.handle(events.LocationLoaded(bindings, {}), fresh.now)
    assert fresh.bound() == ["sip:alice@10.1.0.9:40000"]


def test_without_a_registrar_a_register_is_a_request_like_any_other():
    play = Playbook()
    assert play.core.registrar is None
    play.send("client", request("REGISTER sip:contoso.test", to=f"<{ALICE}>"))
    play.sees("client < 405")


def test_a_draining_registrar_takes_nobody(registry):
    registry.core.handle(events.Draining(), registry.now)
    registry.send_register(HOME)
    registry.sees("client < 503")


# -- one contact, however it is spelled (section 19.1.4) ------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("<sip:bob@10.1.0.9:40000>", "<sip:b%6fb@10.1.0.9:40000>"),
        (
            "<sip:bob@[2001:db8::1]:5070>",
            "<sip:bob@[2001:0DB8:0:0:0:0:0:1]:5070>",
        ),
        ("<sip:bob@phone.test;transport=tcp>", "<sip:bob@PHONE.test;Transport=TCP>"),
        ("<sip:bob@phone.test>", "<sip:bob@phone.test;newparam=5>"),
        ("<sip:bob@phone.test;newparam=5>", "<sip:bob@phone.test>"),
        (
            '<sip:bob@10.1.0.9>;+sip.instance="<urn:uuid:4B1682A8-F968>"',
            '<sip:bob@10.1.0.9:7>;+sip.instance="<urn:uuid:4b1682a8-f968>"',
        ),
    ],
)
def test_two_spellings_of_a_contact_are_one_binding(registry, first, second):
    registry.register(first)
    answer = registry.register(second)
    assert contacts(answer) == [f"{second};expires=3600"]
    assert len(registry.bound()) == 1
    assert contacts(registry.register(f"{first};expires=0")) == []


def test_two_spellings_in_one_register_are_one_binding_too(registry):
    answer = registry.register("<sip:b%6fb@phone.test>", "<sip:bob@phone.test;x=1>")
    assert contacts(answer) == ["<sip:bob@phone.test;x=1>;expires=3600"]


def test_a_refresh_in_another_spelling_is_a_refresh(registry):
    registry.register("<sip:b%6fb@phone.test>")
    registry.advance_quietly(10)
    registry.register("<sip:bob@phone.test>")
    (binding,) = registry.core.location.live("alice@contoso.test", registry.now)
    assert binding.registered_at == 1000.0


def test_a_binding_of_an_older_store_is_found_by_the_uuid_of_its_instance(registry):
    """Keys of instances used to keep their case."""
    instance = b"<urn:uuid:4B1682A8>"
    old = Binding(
        "alice@contoso.test",
        instance + b";1",
        b"sip:bob@10.1.0.7",
        b'<sip:bob@10.1.0.7>;+sip.instance="<urn:uuid:4B1682A8>";reg-id=1',
        1.0,
        5000.0,
        900.0,
        b"old",
        1,
        instance,
        1,
    )
    registry.others_save(BindingChange(old.aor, old.key, old))
    new = '<sip:bob@10.1.0.8>;+sip.instance="<urn:uuid:4b1682a8>";reg-id=1'
    assert contacts(registry.register(new)) == [f"{new};expires=3600"]


# -- what comes back is well formed (section 7.3.1) -----------------------------------


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ('<sip:bob@10.1.0.9>;expires="Sat, 01 Dec 2040 16:00:00 GMT"', ""),
        ('<sip:bob@10.1.0.9>;expires="600"', ""),
        ("<sip:bob@10.1.0.9>;expires", ""),
        ('<sip:bob@10.1.0.9>;q=0.5;Expires = "1;2" ;ob', ";q=0.5;ob"),
        ("<sip:bob@10.1.0.9>;ob ; expires ;q=0.5", ";ob ;q=0.5"),
        ('<sip:bob@10.1.0.9>;a=";expires=1";expires', ';a=";expires=1"'),
        ("sip:bob@10.1.0.9;expires=", ""),
    ],
)
def test_expires_goes_as_it_was_read_and_comes_back_once(registry, written, kept):
    """What cannot be read as seconds counts as not said (section 20.10)."""
    answer = registry.register(written)
    well_formed = f"<sip:bob@10.1.0.9>{kept}"
    assert contacts(answer) == [f"{well_formed};expires=3600"]
    (binding,) = registry.core.location.live("alice@contoso.test", registry.now)
    assert binding.value.decode() == well_formed


def test_a_value_that_an_older_version_spoiled_hurts_nobody(registry):
    old = Binding(
        "alice@contoso.test",
        b"sip:bob@10.1.0.7:0",
        b"sip:bob@10.1.0.7",
        b'<sip:bob@10.1.0.7>"600"',
        1.0,
        5000.0,
        900.0,
        b"old",
        1,
    )
    registry.others_save(BindingChange(old.aor, old.key, old))
    answer = registry.register("<sip:bo%62@10.1.0.7>")
    assert contacts(answer) == ["<sip:bo%62@10.1.0.7>;expires=3600"]
