"""Requests inside dialogs: routed from Route alone, by our own signed token."""

import pytest

from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from tests.support.messages import ALIAS, line_of, lines_of, read, request, response
from tests.support.playbook import POOL

STRANGER = "192.0.2.66"


def record_routes(message: bytes) -> list[str]:
    """The Record-Route values in order."""
    return [x.decode() for x in read(message).values("record-route")]


def through(proxy: str, answer: bytes) -> bytes:
    """An answer that passed a proxy which had record-routed, too."""
    if not proxy:
        return answer
    theirs = f"\r\nRecord-Route: {proxy}\r\nRecord-Route:".encode()
    return answer.replace(b"\r\nRecord-Route:", theirs, 1)


class Dialog:
    """An established dialog between a client and fe1, seen from both ends."""

    def __init__(
        self,
        play,
        client: str = "client",
        contact: str | None = None,
        behind: str = "",
        mine: str = "",
    ):
        """``behind`` is the Record-Route of a proxy between us and the callee, ``mine``
        the caller's Contact."""
        self.play = play
        self.client = client
        transport = "tcp" if "/" in client else "UDP"
        lines = [f"Contact: {mine}"] if mine else []
        play.send(client, request(f"INVITE {ALIAS}", *lines, transport=transport))
        play.sees(f"{client} < 100", "fe1 < INVITE")
        invite = play.last("fe1")
        self.callees_routes = record_routes(invite)
        self.contact = contact or "<sip:channel@10.0.1.1>"
        more = [] if contact == "none" else [f"Contact: {self.contact}"]
        play.send("fe1", through(behind, response(invite, 200, *more)))
        play.sees(f"{client} < 200")
        routes = record_routes(play.last(client))[::-1]
        self.routes = [x for x in routes if x != behind]

    def upstream(self, start: str, *extra: str, **more) -> bytes:
        """A request from the client to the pool."""
        defaults = {
            "to": f"<{ALIAS}>;tag=pool-1",
            "branch": "z9hG4bK-up",
            "cseq": 2,
            "transport": "tcp" if "/" in self.client else "UDP",
        }
        routes = [f"Route: {x}" for x in self.routes]
        if start.startswith("ACK"):
            defaults["cseq"] = 1
        return request(start, *routes, *extra, **{**defaults, **more})

    def downstream(self, start: str, *extra: str, **more) -> bytes:
        """A request from the pool to the client."""
        defaults = {
            "via": "SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-down",
            "from_": f"<{ALIAS}>;tag=pool-1",
            "to": "<sip:alice@contoso.test>;tag=alice-1",
        }
        routes = [f"Route: {x}" for x in self.callees_routes]
        return request(start, *routes, *extra, **{**defaults, **more})


# -- which way ---------------------------------------------------------------------


def test_a_request_of_the_client_goes_to_the_callees_contact(play):
    dialog = Dialog(play)
    play.send("client", dialog.upstream("INFO sip:channel@10.0.1.1"))
    play.sees("fe1 < INFO sip:channel@10.0.1.1")
    assert "route" not in read(play.last("fe1")).index


@pytest.mark.parametrize("client", ["client", "client/tcp"])
def test_a_request_of_the_pool_goes_down_the_clients_own_flow(playbook, client):
    """The client's Contact is an address that nobody can reach."""
    play = playbook()
    dialog = Dialog(play, client)
    gruu = "sip:alice@contoso.test:1234;maddr=10.0.0.5;transport=tcp"
    play.send("fe1", dialog.downstream(f"INFO {gruu}"))
    play.sees(f"{client} < INFO {gruu}")
    assert "route" not in read(play.last(client)).index


def test_a_closed_connection_of_the_client_is_480_or_its_contact(playbook):
    play = playbook()
    dialog = Dialog(play, "client/tcp")
    play.closes("client/tcp")
    play.send("fe1", dialog.downstream("INFO sip:10.1.0.9:40000;transport=tcp"))
    play.sees("connect client/tcp")
    play.cannot_connect("client/tcp")
    play.sees("fe1 < 480")
    assert b" 1006;" in line_of(play.last("fe1"), "ms-diagnostics")


def test_without_flow_the_rest_of_the_route_is_followed(playbook):
    """The client stood behind another proxy, which is in the Route set too."""
    play = playbook()
    dialog = Dialog(play, "client/tcp")
    play.closes("client/tcp")
    data = dialog.downstream("INFO sip:alice@192.0.2.1", "Route: <sip:10.0.2.1;lr>")
    play.send("fe1", data)
    play.sees("edge < INFO")


def test_the_direction_is_told_by_the_tags_whoever_sends(play):
    """Pool and client may come from one address in a lab: tags decide."""
    dialog = Dialog(play)
    data = dialog.downstream("INFO sip:x@10.1.0.9")
    play.send("client", data)
    play.sees("client < INFO")


def test_a_dialog_survives_a_restart_of_the_proxy(playbook):
    before, after = playbook(), playbook()
    dialog = Dialog(before)
    after.send("client", dialog.upstream("INFO sip:channel@10.0.1.1"))
    after.sees("fe1 < INFO")
    after.send("fe1", dialog.downstream("INFO sip:alice@10.1.0.9"))
    after.sees("client < INFO")


def test_in_dialog_requests_get_no_second_record_route(play):
    dialog = Dialog(play)
    play.send("client", dialog.upstream("SUBSCRIBE sip:channel@10.0.1.1"))
    play.sees("fe1 < SUBSCRIBE")
    assert "record-route" not in read(play.last("fe1")).index


def test_without_contact_the_alias_is_dialled_again_and_finds_its_pool(play):
    dialog = Dialog(play, contact="none")
    play.send("client", dialog.upstream(f"INFO {ALIAS}"))
    play.sees(f"fe1 < INFO sip:ocschat@{POOL}")


# -- double Record-Route (RFC 5658) ------------------------------------------------


def test_two_record_routes_where_the_transport_changes(playbook):
    play = playbook()
    dialog = Dialog(play, "client/tcp")
    out, back = dialog.callees_routes
    assert "transport=tcp" in back and "transport" not in out
    assert out.partition("@")[0] == back.partition("@")[0]


@pytest.mark.parametrize("one_line", [False, True])
def test_both_twins_are_popped_in_one_go(playbook, one_line):
    play = playbook()
    dialog = Dialog(play, "client/tcp")
    if one_line:
        dialog.routes = [", ".join(dialog.routes)]
    play.send("client/tcp", dialog.upstream("INFO sip:channel@10.0.1.1"))
    play.sees("fe1 < INFO")
    assert "route" not in read(play.last("fe1")).index


def test_what_stands_behind_our_twins_is_left_alone(playbook):
    play = playbook()
    rest = "<sip:10.0.2.1;lr>"
    dialog = Dialog(play, "client/tcp", behind=rest)
    data = dialog.upstream("INFO sip:channel@10.0.1.1", f"Route: {rest}")
    play.send("client/tcp", data)
    play.sees("edge < INFO sip:channel@10.0.1.1")
    assert line_of(play.last("edge"), "Route") == f"Route: {rest}".encode()


# -- strict routing (RFC 3261 section 16.4, 16.6 item 6) ---------------------------


def test_a_strict_router_before_us_is_undone(play):
    dialog = Dialog(play)
    ours = dialog.routes.pop().strip("<>")
    data = dialog.upstream(f"INFO {ours}", "Route: <sip:channel@10.0.1.1>")
    play.send("client", data)
    play.sees("fe1 < INFO sip:channel@10.0.1.1")
    assert "route" not in read(play.last("fe1")).index


def test_a_strict_router_behind_us_gets_its_own_uri(play):
    dialog = Dialog(play, behind="<sip:10.0.2.1>")
    data = dialog.upstream("INFO sip:channel@10.0.1.1", "Route: <sip:10.0.2.1>")
    play.send("client", data)
    play.sees("edge < INFO sip:10.0.2.1")
    route = line_of(play.last("edge"), "Route")
    assert route == b"Route: <sip:channel@10.0.1.1>"


# -- forgery -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "user",
    [
        "alice",
        "AUDokgmbe256AAAAAAAAAACcQAoBAAkAAAAAAAAAAAAA.00000000",
        "%ff",
        ".",
    ],
)
def test_a_token_that_is_not_ours_is_403(play, user):
    data = request(f"INFO sip:x@{STRANGER}", f"Route: <sip:{user}@10.0.0.5:5060;lr>")
    play.send("stranger", data)
    play.sees("stranger < 403")
    assert b" 1004;" in line_of(play.last("stranger"), "ms-diagnostics")


def test_a_token_with_one_bit_changed_is_403(play):
    dialog = Dialog(play)
    route = dialog.routes[0]
    middle = route.index(".") // 2
    other = "A" if route[middle] != "A" else "B"
    dialog.routes = [route[:middle] + other + route[middle + 1 :]]
    play.send("client", dialog.upstream(f"INFO sip:x@{STRANGER}"))
    play.sees("client < 403")


def test_a_token_of_another_key_is_403(playbook):
    dialog = Dialog(playbook(keys=(b"another key",)))
    play = playbook()
    play.send("client", dialog.upstream("INFO sip:channel@10.0.1.1"))
    play.sees("client < 403")


def test_an_old_key_still_opens_what_it_signed(playbook):
    dialog = Dialog(playbook(keys=(b"old",)))
    play = playbook(keys=(b"new", b"old"))
    play.send("client", dialog.upstream("INFO sip:channel@10.0.1.1"))
    play.sees("fe1 < INFO")


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE", "ACK"])
def test_a_token_outside_a_dialog_opens_nothing(play, method):
    """Everybody may call the alias once: that must not be a ticket to anywhere."""
    dialog = Dialog(play)
    data = dialog.upstream(f"{method} sip:x@{STRANGER}", to=f"<sip:x@{STRANGER}>")
    play.send("client", data)
    play.sees(*([] if method == "ACK" else ["client < 403"]))


def test_a_token_in_the_request_uri_outside_a_dialog_opens_nothing(play):
    dialog = Dialog(play)
    ours = dialog.routes.pop().strip("<>")
    last = f"Route: <sip:x@{STRANGER}>"
    play.send("client", dialog.upstream(f"INVITE {ours}", last, to="<sip:x@a>"))
    play.sees("client < 403")


def test_a_call_that_passed_us_twice_in_a_row_goes_both_ways(playbook):
    """A next hop in between sent it back without a Record-Route of its own."""
    play = playbook()
    dialog = Dialog(play)
    via = ["SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bK-e", "SIP/2.0/UDP c;branch=z9hG4b"]
    again = request(f"INVITE {ALIAS}", via=via, call_id="spiral")
    play.send("edge", again)
    play.sees("edge < 100", "fe1 < INVITE")
    play.answer("fe1", 200, "Contact: <sip:channel@10.0.1.1>")
    play.sees("edge < 200")
    dialog.routes += record_routes(play.last("edge"))
    play.send("client", dialog.upstream("INFO sip:channel@10.0.1.1"))
    play.sees("fe1 < INFO")
    dialog.routes.reverse()
    play.send("client", dialog.upstream("INFO sip:channel@10.0.1.1", branch="z9hG4bKx"))
    play.sees("fe1 < INFO")
    assert "route" not in read(play.last("fe1")).index


# -- ACK ---------------------------------------------------------------------------


def test_the_ack_for_a_2xx_is_relayed_like_a_request_of_its_own(play):
    dialog = Dialog(play)
    play.send("client", dialog.upstream("ACK sip:channel@10.0.1.1"))
    play.sees("fe1 < ACK sip:channel@10.0.1.1")
    assert len(lines_of(play.last("fe1"), "Via")) == 2


def test_the_ack_for_a_2xx_without_contact_and_branch_is_relayed(playbook):
    """A legacy client: no branch anywhere, and the alias for ever."""
    play = playbook()
    play.send("client/tcp", request(branch=None, transport="tcp"))
    play.sees("client/tcp < 100", "fe1 < INVITE")
    play.answer("fe1", 200)
    play.sees("client/tcp < 200")
    routes = [f"Route: {x}" for x in record_routes(play.last("client/tcp"))]
    to = f"<{ALIAS}>;tag=pool-1"
    ack = request(f"ACK {ALIAS}", *routes, branch=None, transport="tcp", to=to)
    play.send("client/tcp", ack)
    play.sees(f"fe1 < ACK sip:ocschat@{POOL}")


def test_the_ack_for_a_refusal_is_absorbed_here_and_made_there(play):
    """RFC 3261 section 17.1.1.3 and 17.2.1."""
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 486)
    play.sees("fe1 < ACK", "client < 486")
    to = read(play.last("client")).value("to").decode()
    play.send("client", request(f"ACK {ALIAS}", to=to))
    play.sees()
    play.advance(60.0)
    play.sees()


def test_a_client_that_never_acks_a_refusal_hears_it_until_timer_h(play):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 486)
    play.sees("fe1 < ACK", "client < 486")
    play.advance(60.0)
    play.sees(*["client < 486"] * 10)
    assert len(play.core.transactions) == 0


def test_a_2xx_repeated_by_the_pool_is_passed_on(play):
    """RFC 6026."""
    Dialog(play)
    play.answer("fe1", 200, to="INVITE")
    play.sees("client < 200")


# -- the INVITE that comes again after a challenge ---------------------------------


def challenged(play, client: str, status: int) -> bytes:
    transport = "tcp" if "/" in client else "UDP"
    invite = request(branch=None, transport=transport)
    play.send(client, invite)
    play.sees(f"{client} < 100", "fe1 < INVITE")
    play.answer("fe1", status, 'WWW-Authenticate: NTLM realm="x"')
    play.sees("fe1 < ACK", f"{client} < {status}")
    return invite.replace(b"Content-Length", b"Authorization: NTLM x\r\nContent-Length")


@pytest.mark.parametrize("status", [401, 407])
def test_on_a_stream_an_invite_after_a_challenge_is_new(playbook, status):
    """Legacy clients never ACK a challenge and change neither Via nor CSeq."""
    play = playbook()
    again = challenged(play, "client/tcp", status)
    play.send("client/tcp", again)
    play.sees("client/tcp < 100", "fe1 < INVITE")
    assert lines_of(play.last("fe1"), "Authorization")
    play.answer("fe1", 200)
    play.sees("client/tcp < 200")


def test_on_udp_an_invite_after_a_challenge_is_a_retransmission(play):
    again = challenged(play, "client", 401)
    play.send("client", again)
    play.sees("client < 401")


def test_on_a_stream_an_invite_after_another_refusal_is_a_retransmission(playbook):
    play = playbook()
    again = challenged(play, "client/tcp", 404)
    play.send("client/tcp", again)
    play.sees("client/tcp < 404")


# -- learned service URIs ----------------------------------------------------------

GC = "sip:GC-1-Service@contoso.test"


def requri(uri: str = GC) -> bytes:
    """The lookup server's answer, as far as the proxy reads it."""
    return f'<xccos><rpl id="rpl:requri"><uib uri="{uri}"/></rpl></xccos>'.encode()


def test_a_uri_that_the_pool_hands_out_is_learned_and_dialled(play):
    dialog = Dialog(play)
    info = dialog.downstream("INFO sip:alice@10.1.0.9", body=requri())
    play.send("fe1", info)
    play.sees(f"learn {GC} {POOL}", "client < INFO")
    play.send("client", request(f"INVITE {GC}", branch="z9hG4bK-9", call_id="9"))
    play.sees("client < 100", "use gc-1-service@contoso.test", f"fe1 < INVITE {GC}")


def test_a_uri_is_learned_once(play):
    dialog = Dialog(play)
    for branch in ("a", "b"):
        via = f"SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-{branch}"
        info = dialog.downstream("INFO sip:alice@10.1.0.9", body=requri(), via=via)
        play.send("fe1", info)
        play.sees(*([f"learn {GC} {POOL}"] if branch == "a" else []), "client < INFO")


def test_nothing_is_learned_from_a_stranger(play):
    dialog = Dialog(play)
    play.send("stranger", dialog.downstream("INFO sip:alice@10.1.0.9", body=requri()))
    play.sees("client < INFO")


def test_nothing_is_learned_from_a_client(play):
    dialog = Dialog(play)
    play.send("client", dialog.upstream("INFO sip:channel@10.0.1.1", body=requri()))
    play.sees("fe1 < INFO")


def test_nothing_is_learned_outside_a_dialog_of_an_endpoint(play):
    play.send("client", request(f"SUBSCRIBE {ALIAS}"))
    play.sees("fe1 < SUBSCRIBE")
    via = "SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-a"
    play.send("fe1", request(f"INFO {ALIAS}", body=requri(), via=via))
    play.sees(f"fe1 < INFO sip:ocschat@{POOL}")


@pytest.mark.parametrize(
    "uri", ["sip:gc@example.org", "sip:contoso.test", "tel:1", ALIAS]
)
def test_nothing_is_learned_but_users_of_a_domain_of_ours(play, uri):
    dialog = Dialog(play)
    info = dialog.downstream("INFO sip:alice@10.1.0.9", body=requri(uri))
    play.send("fe1", info)
    play.sees("client < INFO")


# -- the way out, for every pair of transports -------------------------------------


@pytest.mark.parametrize("method", ["ACK", "BYE", "INFO", "UPDATE", "NOTIFY"])
@pytest.mark.parametrize("pool", ["udp", "tcp"])
@pytest.mark.parametrize("client", ["client", "client/tcp"])
def test_a_dialog_keeps_the_transport_of_each_side(playbook, client, pool, method):
    """In-dialog requests must not leave over the wrong transport."""
    play = playbook(transport=pool)
    server = "fe1" if pool == "udp" else "fe1/tcp"
    play.flow(server)
    play.send(client, request(transport="tcp" if "/" in client else "UDP"))
    play.sees(f"{client} < 100", f"{server} < INVITE")
    callees_routes = record_routes(play.last(server))
    target = f"sip:channel@10.0.1.1{';transport=tcp' if pool == 'tcp' else ''}"
    play.answer(server, 200, f"Contact: <{target}>")
    play.sees(f"{client} < 200")
    routes = record_routes(play.last(client))[::-1]
    cseq = 1 if method == "ACK" else 2
    up = request(
        f"{method} {target}",
        *(f"Route: {x}" for x in routes),
        to=f"<{ALIAS}>;tag=pool-1",
        branch="z9hG4bK-up",
        cseq=cseq,
    )
    play.send(client, up)
    play.sees(f"{server} < {method}")
    down = request(
        f"{method} sip:alice@192.0.2.9:1234;transport=tls",
        *(f"Route: {x}" for x in callees_routes),
        from_=f"<{ALIAS}>;tag=pool-1",
        to="<sip:alice@contoso.test>;tag=alice-1",
        via=f"SIP/2.0/{pool.upper()} 10.0.1.1:5060;branch=z9hG4bK-down",
    )
    play.send(server, down)
    play.sees(f"{client} < {method}")


# -- this machine ------------------------------------------------------------------

HERE = [
    *("127.0.0.1:6379", "[::1]:6379", "0.0.0.0:9090", "10.0.0.5:6379"),
    *("169.254.169.254:80", "224.0.1.75:5060", "255.255.255.255:5060"),
]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("place", HERE)
def test_a_caller_elsewhere_cannot_name_a_service_of_this_machine(
    playbook, place, transport
):
    """A callee could not go there without us: it stands elsewhere as well."""
    play = playbook()
    uri = f"sip:x@{place};transport={transport}"
    dialog = Dialog(play, mine=f"<{uri}>")
    play.send("fe1", dialog.downstream(f"BYE {uri}"))
    play.sees("fe1 < 480")


def test_nor_by_a_name_that_leads_here(playbook):
    play = playbook()
    uri = "sip:x@localhost.example:6379;transport=tcp"
    asked = Lookup("localhost.example", 6379, "tcp")
    here = FrontEnd("tcp", "127.0.0.1", 6379, "localhost.example", "localhost.example")
    play.cached[asked] = Resolution(asked, {"tcp": ((here,),)}, expires=1e9)
    dialog = Dialog(play, mine=f"<{uri}>")
    play.send("fe1", dialog.downstream(f"BYE {uri}"))
    play.sees("fe1 < 480")


def test_a_caller_on_this_machine_may_name_another_port_of_it(playbook):
    play = playbook()
    uri = "sip:x@10.0.0.5:5099"
    via = "SIP/2.0/UDP 10.0.0.5:40002;branch=z9hG4bK-1"
    play.send("ourselves", request(f"INVITE {ALIAS}", f"Contact: <{uri}>", via=via))
    play.sees("ourselves < 100", "fe1 < INVITE")
    routes = record_routes(play.last("fe1"))
    play.answer("fe1", 200, "Contact: <sip:channel@10.0.1.1>")
    play.sees("ourselves < 200")
    bye = request(
        f"BYE {uri}",
        *(f"Route: {each}" for each in routes),
        via="SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-down",
        from_=f"<{ALIAS}>;tag=pool-1",
        to="<sip:alice@contoso.test>;tag=alice-1",
    )
    play.send("fe1", bye)
    play.sees(f"ourselves < BYE {uri}")
