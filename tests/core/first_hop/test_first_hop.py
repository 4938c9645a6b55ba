"""First-hop mode: what a client of such a listener and the front end behind it see."""

import re

import pytest

from proxy.pools.front_end import Lookup
from proxy.sip.flow import Listener
from tests.support.messages import line_of, lines_of, request
from tests.support.playbook import PROXY, Playbook

FE_POOL = "fepool.contoso.test"
LOOKUP = Lookup(FE_POOL, None, "tcp")
URI = "sip:10.1.0.9:40000;transport=tcp;ms-opaque=d3470f2e1d"
INSTANCE = '+sip.instance="<urn:uuid:92794BFE>"'
CONTACT = f'Contact: <{URI}>;methods="INVITE, MESSAGE";proxy=replace;{INSTANCE}'
KEEP = "ms-keep-alive: UAC;hop-hop=yes"
ALICE = "<sip:alice@contoso.test>"


def scene(*, first_hop: bool = True, **more) -> Playbook:
    """A client on TCP; `fe1` and `fe2` are what the default route leads to."""
    play = Playbook(
        listeners=(
            Listener(
                *("tcp", PROXY, 5060),
                advertised_host="proxy.contoso.test",
                first_hop=first_hop,
            ),
        ),
        default_route=f"sip:{FE_POOL};transport=tcp".encode(),
        **more,
    )
    play.cached[LOOKUP] = play.knows(FE_POOL, "fe1", "fe2", transport="tcp")
    return play


def register(*lines: str, cseq: int = 1, via: str | None = None) -> bytes:
    return request(
        "REGISTER sip:contoso.test",
        *(lines or (CONTACT, KEEP)),
        transport="tcp",
        via=via,
        branch=f"z9hG4bKr{cseq}",
        from_=f"{ALICE};tag=alice-1;epid=1",
        to=ALICE,
        call_id="register",
        cseq=cseq,
    )


def sign_in(play: Playbook, front_end: str = "fe1/tcp", cseq: int = 1) -> bytes:
    """The first REGISTER goes to a front end, which challenges; returns what it got."""
    play.send("client/tcp", register(cseq=cseq))
    play.sees(f"connect {front_end}")
    play.connects(front_end)
    play.sees(f"{front_end} < REGISTER")
    got = play.last(front_end)
    play.answer(front_end, 401, 'WWW-Authenticate: NTLM realm="x", targetname="fe1"')
    play.sees("client/tcp < 401")
    return got


def contact_uri(data: bytes) -> str:
    found = re.search(rb"<(sip:[^>]+)>", line_of(data, "Contact"))
    assert found
    return found[1].decode()


def other(name: str, *more: str, branch: str = "z9hG4bK-o") -> bytes:
    """A request of the client that only the default route can take."""
    uri = "sip:bob@contoso.test"
    return request(f"{name} {uri}", *more, transport="tcp", branch=branch)


# -- Contact -------------------------------------------------------------------------


def test_the_contact_leads_to_us_and_keeps_all_but_its_address() -> None:
    got = sign_in(scene())
    line = line_of(got, "Contact").decode()
    assert re.fullmatch(
        r"Contact: <sip:[\w-]{44}~@proxy\.contoso\.test:5060;transport=tcp;"
        rf'ms-opaque=d3470f2e1d>;methods="INVITE, MESSAGE";{re.escape(INSTANCE)}',
        line,
    )


def test_a_request_to_that_contact_goes_down_the_client_s_own_connection() -> None:
    play = scene()
    uri = contact_uri(sign_in(play))
    play.send(
        "fe1/tcp", request(f"INVITE {uri}", via="SIP/2.0/TCP 10.0.1.1;branch=z9hG4bKx")
    )
    play.sees("fe1/tcp < 100", f"client/tcp < INVITE {URI}")
    play.answer("client/tcp", 200)
    play.sees("fe1/tcp < 200")


def test_maddr_gives_way_and_the_user_comes_back() -> None:
    play = scene()
    sign_in(play)
    theirs = "<sip:alice@contoso.test:40000;maddr=10.1.0.9;transport=tcp>;proxy=replace"
    play.send("client/tcp", other("INVITE", f"Contact: {theirs}"))
    play.sees("client/tcp < 100", "fe1/tcp < INVITE")
    uri = contact_uri(play.last("fe1/tcp"))
    assert re.fullmatch(
        r"sip:[\w-]{44}~alice@proxy\.contoso\.test:5060;transport=tcp", uri
    )
    play.send(
        "fe1/tcp", request(f"INFO {uri}", via="SIP/2.0/TCP 10.0.1.1;branch=z9hG4bKx")
    )
    play.sees("client/tcp < INFO sip:alice@10.1.0.9:40000;transport=tcp")


def test_the_contact_of_a_client_s_answer_leads_to_us_too() -> None:
    play = scene()
    uri = contact_uri(sign_in(play))
    play.send(
        "fe1/tcp", request(f"INVITE {uri}", via="SIP/2.0/TCP 10.0.1.1;branch=z9hG4bKx")
    )
    play.sees("fe1/tcp < 100", "client/tcp < INVITE")
    play.answer("client/tcp", 200, CONTACT)
    play.sees("fe1/tcp < 200")
    answer = play.last("fe1/tcp")
    assert "~@proxy.contoso.test" in contact_uri(answer)
    assert b"proxy=" not in answer
    record_route = line_of(answer, "Record-Route").partition(b":")[2].decode()
    # The callee's Contact is the remote target of the front end's dialog.
    bye = request(
        f"BYE {contact_uri(answer)}",
        f"Route:{record_route}",
        via="SIP/2.0/TCP 10.0.1.1;branch=z9hG4bKb",
        to="<sip:x@contoso.test>;tag=pool-1",
        cseq=2,
    )
    play.send("fe1/tcp", bye)
    play.sees(f"client/tcp < BYE {URI}")


def test_a_request_inside_a_dialog_of_the_client_gets_its_own_uri_back() -> None:
    play = scene(front_ends=("fe3",), transport="tcp")
    contact = (
        "<sip:alice@contoso.test:40000;maddr=10.1.0.9;transport=tcp>;proxy=replace"
    )
    play.send(
        "client/tcp",
        request(
            *("INVITE sip:ocschat@contoso.test", f"Contact: {contact}"), transport="tcp"
        ),
    )
    play.sees("client/tcp < 100", "connect fe3/tcp")
    play.connects("fe3/tcp")
    play.sees("fe3/tcp < INVITE sip:ocschat@pcpool.contoso.test")
    invite = play.last("fe3/tcp")
    route = line_of(invite, "Record-Route").partition(b":")[2].decode()
    info = request(
        f"INFO {contact_uri(invite)}",
        f"Route:{route}",
        via="SIP/2.0/TCP 10.0.1.3;branch=z9hG4bKi",
        from_="<sip:ocschat@contoso.test>;tag=pool-1",
        to="<sip:alice@contoso.test>;tag=alice-1",
    )
    play.send("fe3/tcp", info)
    play.sees("client/tcp < INFO sip:alice@10.1.0.9:40000;transport=tcp")


def test_a_contact_of_a_client_that_has_gone_says_so() -> None:
    play = scene()
    uri = contact_uri(sign_in(play))
    play.closes("client/tcp")
    play.send(
        "fe1/tcp", request(f"INVITE {uri}", via="SIP/2.0/TCP 10.0.1.1;branch=z9hG4bKx")
    )
    play.sees("fe1/tcp < 480")
    assert b" 1006;" in line_of(play.last("fe1/tcp"), "ms-diagnostics")


def test_a_contact_that_we_did_not_make_leads_nowhere() -> None:
    play = scene()
    uri = contact_uri(sign_in(play))
    forged = uri.replace("sip:", "sip:A", 1)
    play.send(
        "fe1/tcp",
        request(f"INVITE {forged}", via="SIP/2.0/TCP 10.0.1.1;branch=z9hG4bKx"),
    )
    play.sees("fe1/tcp < 100", "connect fe2/tcp")  # an address like any other


@pytest.mark.parametrize(
    ("contact", "via"),
    [
        (CONTACT.replace("replace", "route"), None),
        (CONTACT.replace("transport=tcp", "transport=tls"), None),
        (CONTACT, "SIP/2.0/TCP 10.1.0.9:40000;branch=z9hG4bK1, SIP/2.0/TCP 10.9.9.9"),
    ],
    ids=["value", "transport", "second-hop"],
)
def test_what_ms_sipre_refuses_is_refused(contact: str, via: str | None) -> None:
    play = scene()
    play.send("client/tcp", register(contact, via=via))
    play.sees("client/tcp < 400")
    answer = play.last("client/tcp")
    assert b" Contact: " in answer.partition(b"\r\n")[0]
    assert b"5004;" in line_of(answer, "ms-diagnostics")


def test_a_bad_answer_of_the_client_is_discarded() -> None:
    play = scene()
    uri = contact_uri(sign_in(play))
    play.send(
        "fe1/tcp", request(f"OPTIONS {uri}", via="SIP/2.0/TCP 10.0.1.1;branch=z9hG4bKx")
    )
    play.sees("client/tcp < OPTIONS")
    play.answer("client/tcp", 200, CONTACT.replace("replace", "route"))
    play.sees()


def test_contacts_that_do_not_ask_are_left_alone() -> None:
    play = scene()
    sign_in(play)
    gruu = "Contact:  <sip:alice@contoso.test;opaque=user:epid:X;gruu>"
    play.send("client/tcp", other("SUBSCRIBE", gruu))
    play.sees("fe1/tcp < SUBSCRIBE")
    assert line_of(play.last("fe1/tcp"), "Contact").decode() == gruu


# -- what is of one hop ---------------------------------------------------------------


def test_the_keep_alive_is_agreed_with_us() -> None:
    play = scene()
    got = sign_in(play)
    assert lines_of(got, "ms-keep-alive") == []
    play.send("client/tcp", register(cseq=2))
    play.sees("fe1/tcp < REGISTER")
    theirs = "ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=900"
    play.answer("fe1/tcp", 200, theirs, "Expires: 600")
    play.sees("client/tcp < 200")
    line = line_of(play.last("client/tcp"), "ms-keep-alive")
    assert line == theirs.replace("900", "300").encode()


def test_compression_is_refused_and_not_passed_on() -> None:
    play = scene()
    asks = request(
        "NEGOTIATE sip:127.0.0.1:5060",
        "Compression: LZ77-8K",
        via="SIP/2.0/TCP 10.1.0.9:40000",
        max_forwards=0,
        from_="<sip:127.0.0.1:5060>;tag=1",
    )
    play.send("client/tcp", asks)
    play.sees("client/tcp < 405")
    answer = play.last("client/tcp")
    assert b"NEGOTIATE" not in line_of(answer, "Allow")
    assert b"1022;" in line_of(answer, "ms-diagnostics")


# -- one front end for each client ---------------------------------------------------


def test_everything_follows_the_first_answer() -> None:
    play = scene()
    sign_in(play)
    play.cached[LOOKUP] = play.knows(FE_POOL, "fe2", "fe1", transport="tcp")
    for number, method in enumerate(("SERVICE", "SUBSCRIBE", "MESSAGE")):
        play.send("client/tcp", other(method, branch=f"z9hG4bK{number}"))
        play.sees(f"fe1/tcp < {method}")


def test_another_client_may_have_another_front_end() -> None:
    play = scene()
    sign_in(play)
    play.cached[LOOKUP] = play.knows(FE_POOL, "fe2", "fe1", transport="tcp")
    play.send("bob/tcp", other("SERVICE"))
    play.sees("connect fe2/tcp")


def test_the_first_sign_in_fails_over_and_stays_where_it_was_answered() -> None:
    play = scene()
    play.send("client/tcp", register())
    play.sees("connect fe1/tcp")
    play.cannot_connect("fe1/tcp")
    play.sees("connect fe2/tcp")
    play.connects("fe2/tcp")
    play.sees("fe2/tcp < REGISTER")
    play.answer("fe2/tcp", 401)
    play.sees("client/tcp < 401")
    play.send("client/tcp", other("SERVICE"))
    play.sees("fe2/tcp < SERVICE")


def test_a_route_through_the_front_ends_goes_to_the_client_s_own() -> None:
    play = scene()
    sign_in(play)
    play.cached[LOOKUP] = play.knows(FE_POOL, "fe2", "fe1", transport="tcp")
    play.send("client/tcp", other("INVITE", "Contact: <sip:a@b.test>"))
    play.sees("client/tcp < 100", "fe1/tcp < INVITE")
    play.answer("fe1/tcp", 200)
    play.sees("client/tcp < 200")
    answer = play.last("client/tcp")
    ours = line_of(answer, "Record-Route").partition(b":")[2].decode()
    bye = request(
        "BYE sip:bob@10.9.9.9",
        f"Route:{ours}, <sip:{FE_POOL};transport=tcp;ms-fe=fe1.{FE_POOL};lr>",
        transport="tcp",
        to="<sip:bob@contoso.test>;tag=pool-1",
        branch="z9hG4bKbye",
        cseq=2,
    )
    play.send("client/tcp", bye)
    play.sees("fe1/tcp < BYE")


def test_when_the_front_end_is_gone_its_clients_are_told_by_their_connections() -> None:
    play = scene()
    sign_in(play)
    play.send("bob/tcp", register(cseq=9))
    play.sees("fe1/tcp < REGISTER")
    play.answer("fe1/tcp", 401)
    play.sees("bob/tcp < 401")
    play.closes("fe1/tcp")
    play.sees("connect fe1/tcp")  # idle, or gone?
    play.cannot_connect("fe1/tcp")
    play.sees("close client/tcp", "close bob/tcp")


def test_a_front_end_that_only_closed_its_connection_keeps_its_clients() -> None:
    play = scene()
    sign_in(play)
    play.closes("fe1/tcp")
    play.sees("connect fe1/tcp")
    play.connects("fe1/tcp")
    play.send("client/tcp", other("SERVICE"))
    play.sees("fe1/tcp < SERVICE")


def test_a_request_that_finds_its_front_end_gone_is_answered_first() -> None:
    play = scene()
    sign_in(play)
    play.flows.remove_stream(play.flow("fe1/tcp"))  # nobody has been told yet
    play.send("client/tcp", other("SERVICE"))
    play.sees("connect fe1/tcp")
    play.cannot_connect("fe1/tcp")
    play.sees("client/tcp < 504", "close client/tcp")


def test_nothing_is_kept_of_clients_that_have_gone() -> None:
    play = scene()
    sign_in(play)
    play.closes("client/tcp")
    affinity = play.core.first_hop.affinity
    assert (affinity._front_ends, affinity._clients) == ({}, {})
    play.closes("fe1/tcp")
    play.sees()


def test_a_front_end_gets_nothing_back_that_it_sent() -> None:
    """It connects from any port and under its pool's name."""
    play = scene()
    play.flow("fe2/tcp").peer_names = (FE_POOL,)
    via = "SIP/2.0/TCP 10.0.1.2:62937;branch=z9hG4bKx"
    play.send("fe2/tcp", request("INVITE sip:nobody@contoso.test", via=via))
    play.sees("fe2/tcp < 100", "fe2/tcp < 504")


# -- home servers --------------------------------------------------------------------


def redirect(
    play: Playbook, contact: str = "<sip:fe3.contoso.test:5061;transport=TLS>"
) -> bytes:
    """The second REGISTER is answered with 301; returns what the client gets."""
    sign_in(play)
    play.send("client/tcp", register(cseq=2))
    play.sees("fe1/tcp < REGISTER")
    play.answer(
        *("fe1/tcp", 301),
        f"Contact: {contact}",
        "Contact: <sip:fe2.contoso.test>",
        'Authentication-Info: NTLM rspauth="1"',
        reason="Redirect request to Home Server",
    )
    play.sees("client/tcp < 301")
    return play.last("client/tcp")


def test_a_redirection_leads_back_to_us() -> None:
    answer = redirect(scene())
    # No user part: the client reads everything up to the colon as the host.
    expected = b"Contact: <sip:proxy.contoso.test:5060;transport=tcp>"
    assert line_of(answer, "Contact") == expected
    assert answer.startswith(b"SIP/2.0 301 Redirect request to Home Server\r\n")
    assert line_of(answer, "Authentication-Info")


def test_the_next_sign_in_goes_home() -> None:
    play = scene()
    redirect(play, "<sip:fe3.contoso.test:5061;transport=tcp>")
    play.closes("client/tcp")
    play.send("client/tcp", register(cseq=3))
    play.sees("resolve fe3.contoso.test")
    play.resolves("fe3.contoso.test", "fe3", transport="tcp")
    play.sees("connect fe3/tcp")
    play.connects("fe3/tcp")
    play.sees("fe3/tcp < REGISTER")
    play.answer("fe3/tcp", 401)
    play.sees("client/tcp < 401")
    play.send("client/tcp", other("SUBSCRIBE"))
    play.sees("fe3/tcp < SUBSCRIBE")


def test_a_home_where_nobody_is_gets_forgotten() -> None:
    play = scene()
    redirect(play, "<sip:fe3.contoso.test:5061;transport=tcp>")
    play.closes("client/tcp")
    play.send("client/tcp", register(cseq=3))
    play.sees("resolve fe3.contoso.test")
    play.resolves("fe3.contoso.test", "fe3", transport="tcp")
    play.sees("connect fe3/tcp")
    play.cannot_connect("fe3/tcp")
    play.sees("client/tcp < 504")
    play.send("client/tcp", register(cseq=4))
    play.sees("fe1/tcp < REGISTER")


def test_redirections_of_other_requests_are_passed_on() -> None:
    play = scene()
    sign_in(play)
    play.send("client/tcp", other("INVITE"))
    play.sees("client/tcp < 100", "fe1/tcp < INVITE")
    contact = "Contact: <sip:bob@elsewhere.test>"
    play.answer("fe1/tcp", 301, contact)
    play.sees("fe1/tcp < ACK", "client/tcp < 301")
    assert line_of(play.last("client/tcp"), "Contact") == contact.encode()


# -- without first_hop ---------------------------------------------------------------


def test_without_the_mode_such_a_register_is_refused_with_a_reason() -> None:
    play = scene(first_hop=False)
    play.send("client/tcp", register())
    play.sees("client/tcp < 403")
    answer = play.last("client/tcp")
    assert b"first_hop = true" in line_of(answer, "Warning")
    assert b'source="waypost.test"' in line_of(answer, "ms-diagnostics")


def test_without_the_mode_nothing_else_changes() -> None:
    play = scene(first_hop=False)
    plain = f"Contact: <{URI}>"
    play.send("client/tcp", register(plain, KEEP))
    play.sees("connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < REGISTER")
    got = play.last("fe1/tcp")
    assert line_of(got, "Contact").decode() == plain
    assert line_of(got, "ms-keep-alive").decode() == KEEP
    play.send("client/tcp", other("INVITE", CONTACT))
    play.sees("client/tcp < 100", "fe1/tcp < INVITE")
    assert line_of(play.last("fe1/tcp"), "Contact").decode() == CONTACT


def test_two_hops_on_one_via_line_are_two_hops() -> None:
    """Somebody behind a proxy is not the client next to us, however it is written."""
    play = scene()
    via = "SIP/2.0/TCP 10.1.0.9;branch=z9hG4bKv, SIP/2.0/TCP 10.7.0.7;branch=z9hG4bKw"
    play.send("client/tcp", register(KEEP, via=via))
    play.sees("connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < REGISTER")
    play.answer("fe1/tcp", 200)
    play.sees("client/tcp < 200")
    assert not lines_of(play.last("client/tcp"), "ms-keep-alive")
