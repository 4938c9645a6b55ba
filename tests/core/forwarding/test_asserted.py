"""Whose word on the caller's identity is passed on (RFC 3325 section 5)."""

from ipaddress import ip_network

import pytest

from proxy.core import events
from proxy.core.networks import Networks
from tests.core.first_hop.test_first_hop import scene, sign_in
from tests.support.messages import lines_of, request
from tests.support.playbook import Playbook
from tests.support.registry import Registry

CLAIM = "P-Asserted-Identity: <sip:boss@contoso.test>"
PREFERRED = "P-Preferred-Identity: <sip:alice@contoso.test>"
DEFAULT = b"sip:10.0.2.1:5060;transport=tcp"


def invite(*lines: str, uri: str = "sip:ocschat@contoso.test", **more) -> bytes:
    return request(f"INVITE {uri}", *lines, **more)


def may_register(registry: Registry, peer: str) -> None:
    """From there no password is asked for, and nobody is believed for that."""
    network = ip_network(registry.flow(peer).host)
    registry.core.registrar.gate._trusted = Networks([network])


def arrives(play: Playbook, peer: str) -> bytes:
    play._script.clear()
    return play.last(peer).partition(b"\r\n\r\n")[0]


# -- strangers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        CLAIM,
        "p-asserted-identity:<sip:boss@contoso.test>",
        "P-ASSERTED-IDENTITY : <sip:boss@contoso.test>",
        'P-Asserted-Identity: "Boss"\r\n <sip:boss@contoso.test>,\r\n\t<tel:+49123>',
        f"{CLAIM}\r\nSubject: x\r\n{CLAIM}",
        'Remote-Party-ID: "Boss" <sip:boss@contoso.test>;party=calling',
        "P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel",
    ],
)
@pytest.mark.parametrize("peer", ["client", "client/tcp", "stranger"])
def test_what_a_stranger_claims_does_not_reach_the_pool(play, line, peer):
    data = invite("Subject: before", line, PREFERRED)
    play.send(peer, data)
    seen = arrives(play, "fe1")
    assert b"boss" not in seen.lower()
    assert b"p-asserted" not in seen.lower()
    assert (
        f"Subject: before\r\n{'Subject: x' if 'Subject' in line else ''}".rstrip(
            "\r\n"
        ).encode()
        in seen
    )
    assert PREFERRED.encode() in seen  # a wish is no claim


@pytest.mark.parametrize("method", ["ACK", "BENOTIFY", "MESSAGE"])
def test_it_does_in_no_method(play, method):
    play.send("client", request(f"{method} sip:ocschat@contoso.test", CLAIM))
    assert b"boss" not in arrives(play, "fe1")


def test_a_certificate_of_a_user_vouches_for_nobody_else(playbook):
    play = playbook(transport="tcp")
    flow = play.flow("client/tcp")
    flow.peer_users = ("alice@contoso.test",)
    play.send("client/tcp", invite(CLAIM))
    play.sees("client/tcp < 100", "connect fe1/tcp")
    play.connects("fe1/tcp")
    assert b"boss" not in arrives(play, "fe1/tcp")


def test_an_address_of_the_pool_proves_nothing_in_a_datagram(playbook):
    play = playbook(default_route=DEFAULT)
    play.send("fe2", invite(CLAIM))
    assert b"boss" not in arrives(play, "fe1")


# -- those who may say so ------------------------------------------------------------


def test_a_server_with_a_verified_certificate_is_believed(play):
    play.flow("client/tcp").peer_names = ("fe.contoso.test",)
    play.send("client/tcp", invite(CLAIM))
    assert CLAIM.encode() in arrives(play, "fe1")


def test_a_network_of_the_configuration_is_believed(playbook):
    play = playbook(trusted_networks=(ip_network("10.1.0.0/16"),))
    play.send("client", invite(CLAIM))
    assert CLAIM.encode() in arrives(play, "fe1")
    play.send("stranger", invite(CLAIM, branch="z9hG4bK-2", call_id="2"))
    assert b"boss" not in arrives(play, "fe1")


def test_who_may_register_as_anybody_is_believed_too():
    registry = Registry()
    registry.send("client", invite(CLAIM))
    assert CLAIM.encode() in arrives(registry, "fe1")


def test_the_default_route_and_pools_are_believed_on_a_connection(playbook):
    play = playbook(default_route=DEFAULT)
    play.send("edge/tcp", invite(CLAIM))
    assert CLAIM.encode() in arrives(play, "fe1")
    play.send("fe2/tcp", invite(CLAIM, branch="z9hG4bK-2", call_id="2"))
    assert CLAIM.encode() in arrives(play, "fe1")


def test_another_node_of_ours_has_judged_already(play):
    play._handle(events.NodesChanged({7: "sip:192.0.2.66:5060;transport=tcp"}))
    play.send("stranger/tcp", invite(CLAIM))
    assert CLAIM.encode() in arrives(play, "fe1")


# -- signed-in clients ---------------------------------------------------------------

SIGNED = 'Proxy-Authorization: NTLM qop="auth", realm="SIP", response="0100000078"'


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        (SIGNED, True),
        (SIGNED.replace("NTLM ", "tls-dsk\t"), True),
        (SIGNED.replace("NTLM ", "NTLM\r\n "), True),
        ('Proxy-Authorization: Digest username="a"', False),
        ("Proxy-Authorization: NTLMX qop=1", False),
        ("", False),
    ],
)
def test_what_a_client_has_signed_reaches_its_home_server_whole(line, is_kept):
    """[MS-SIPAE] signs the identities: the server there checks them, nobody else."""
    play = scene()
    sign_in(play)
    lines = (CLAIM, *([line] if line else []))
    play.send(
        "client/tcp",
        request(
            "MESSAGE sip:bob@contoso.test",
            *lines,
            transport="tcp",
            branch="z9hG4bK-m",
        ),
    )
    assert (CLAIM.encode() in arrives(play, "fe1/tcp")) == is_kept


def test_a_signature_opens_no_other_door(play):
    play.send("client", invite(CLAIM, SIGNED))
    assert b"boss" not in arrives(play, "fe1")


# -- answers -------------------------------------------------------------------------


@pytest.mark.parametrize("line", [CLAIM, 'remote-party-id: "Boss" <sip:boss@x>'])
@pytest.mark.parametrize("status", [180, 200, 486])
def test_what_a_registered_client_claims_in_an_answer_stays_here(line, status):
    registry = Registry(registrar={"trusted_networks": ()})
    may_register(registry, "client")
    registry.register(registry.contact_of("client"))
    registry.send("bob", invite(uri="sip:alice@contoso.test"))
    registry.sees("bob < 100", "client < INVITE")
    registry.answer("client", status, "Subject: stays", line)
    registry._script.clear()
    seen = registry.last("bob")
    assert f"SIP/2.0 {status}".encode() in seen
    assert b"boss" not in seen.lower()
    assert b"Subject: stays" in seen


@pytest.mark.parametrize("status", [180, 200, 486])
def test_what_the_pool_says_in_an_answer_goes_back(play, status):
    play.send("client", invite())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", status, CLAIM)
    play._script.clear()
    assert CLAIM.encode() in play.last("client")


# -- privacy -------------------------------------------------------------------------

PARTY = 'Remote-Party-ID: "Boss" <sip:boss@contoso.test>'
WISHES = [
    ((CLAIM, "Privacy: id"), False),
    ((CLAIM, "privacy : user;\r\n ID"), False),
    ((CLAIM, "Privacy: header", "Privacy: critical, id"), False),
    ((CLAIM, 'Privacy: "'), False),
    ((f"{PARTY};party=called;privacy=full",), False),
    ((f'{PARTY}; Privacy = "uri"',), False),
    ((f"{PARTY};privacy=off, <sip:boss@x>;privacy=name",), False),
    ((f"{PARTY};privacy=off",), True),
    ((CLAIM, "Privacy: none"), True),
    ((CLAIM, "P-Privacy: id"), True),
    ((CLAIM, "Privacy: id", 'Authentication-Info: NTLM rspauth="1"'), True),
]


@pytest.mark.parametrize(("lines", "is_told"), WISHES)
def test_a_client_is_not_told_who_wants_to_stay_unknown(lines, is_told):
    registry = Registry(registrar={"trusted_networks": ()})
    may_register(registry, "client")
    registry.register(registry.contact_of("client"))
    registry.flow("bob/tcp").peer_names = ("fe.contoso.test",)
    registry.send("bob/tcp", invite(*lines, uri="sip:alice@contoso.test"))
    assert (b"boss" in arrives(registry, "client")) == is_told


@pytest.mark.parametrize(("lines", "is_told"), WISHES)
@pytest.mark.parametrize("status", [180, 200, 486])
@pytest.mark.parametrize("peer", ["client", "client/tcp"])
def test_nor_who_has_answered(play, peer, status, lines, is_told):
    play.send(peer, invite(transport=peer.rpartition("/")[2]))
    play._script.clear()
    play.answer("fe1", status, "Subject: stays", *lines)
    play._script.clear()
    seen = play.last(peer)
    assert f"SIP/2.0 {status}".encode() in seen
    assert (b"boss" in seen) == is_told
    assert b"Subject: stays" in seen


def test_a_repeated_answer_says_no_more_than_the_first(play):
    play.send("client", invite())
    play._script.clear()
    answer = play.answer("fe1", 200, CLAIM, "Privacy: id")
    play._script.clear()
    play.send("fe1", answer)
    play.sees("client < 200")
    assert b"boss" not in play.last("client")


def test_who_may_say_who_is_calling_is_told_all_the_same(playbook):
    play = playbook(trusted_networks=(ip_network("10.1.0.0/16"),))
    play.send("client", invite(CLAIM, "Privacy: id"))
    assert CLAIM.encode() in arrives(play, "fe1")
    play.answer("fe1", 200, CLAIM, "Privacy: id")
    assert CLAIM.encode() in arrives(play, "client")


def test_a_pool_that_has_asked_is_told_who_answered(playbook):
    play = playbook(default_route=DEFAULT)
    play.send("edge", invite())
    play._script.clear()
    play.answer("fe1", 200, CLAIM, "Privacy: id")
    assert CLAIM.encode() in arrives(play, "edge")


@pytest.mark.parametrize("contact", ["<sip:alice@192.0.2.66:5070>", ""])
def test_a_client_is_not_told_inside_a_dialog_either(contact):
    """Whether its flow leads there or its Contact does."""
    registry = Registry(registrar={"trusted_networks": ()})
    may_register(registry, "client")
    registry.register(contact or registry.contact_of("client"))
    registry.flow("bob/tcp").peer_names = ("fe.contoso.test",)
    registry.send(
        "bob/tcp",
        invite("Contact: <sip:b@10.1.0.10>", uri="sip:alice@contoso.test"),
    )
    registry._script.clear()
    callee = "stranger" if contact else "client"
    reached = (contact or registry.contact_of("client")).strip("<>")
    registry.answer(callee, 200, f"Contact: <{reached}>")
    registry._script.clear()
    (route,) = lines_of(registry.last("bob/tcp"), "Record-Route")[:1]
    registry.send(
        "bob/tcp",
        request(
            f"INFO {reached}",
            route.decode().removeprefix("Record-"),
            CLAIM,
            "Privacy: id",
            to="<sip:alice@contoso.test>;tag=pool-1",
            cseq=2,
            branch="z9hG4bK-i",
        ),
    )
    seen = arrives(registry, callee)
    assert seen.startswith(b"INFO ")
    assert b"boss" not in seen
