"""Route information preprocessing (RFC 3261 section 16.4): what is ours comes off."""

import pytest

from proxy.core.routing.route_set import is_for_registrar, read_routes
from proxy.core.tokens import DIRECT
from proxy.sip.errors import MalformedMessage
from proxy.sip.message import Request
from tests.support.messages import read, request
from tests.support.playbook import PROXY, Playbook

IN_DIALOG = "<sip:x@contoso.test>;tag=pool-1"


class World:
    """A core, and tokens of its own."""

    def __init__(self) -> None:
        play = Playbook()
        self.play, self.tokens, self.identity = (
            play,
            play.core.tokens,
            play.core.identity,
        )
        client, front_end = play.flow("client"), play.flow("fe1")
        self.dialog = self.tokens.towards_caller(
            client, bytes(6), DIRECT, "h 5060 udp", front_end
        ).decode()
        self.flow_token = self.tokens.make(client).decode()

    def read(self, *routes: str, uri: str = "sip:x@contoso.test", to=IN_DIALOG):
        lines = [f"Route: {each}" for each in routes]
        message = read(request(f"INFO {uri}", *lines, to=to))
        assert isinstance(message, Request)
        return read_routes(message, self.identity, self.tokens)


def test_without_a_route_nothing_changes() -> None:
    routes = World().read()
    assert (routes.entries, routes.has_changed, routes.token) == ([], False, None)


def test_our_entry_comes_off_and_its_token_is_read() -> None:
    world = World()
    rest = "<sip:far.test;lr>"
    for entry in (f"<sip:{world.dialog}@{PROXY}:5060;lr>, {rest}",):
        routes = world.read(entry)
        assert routes.token is not None and routes.token.host == "10.1.0.9"
        assert routes.entries == [rest.encode()] and routes.has_changed
        assert routes.own_user == world.dialog.encode()


def test_a_line_that_was_read_before_gives_the_same_token() -> None:
    world = World()
    entry = f"<sip:{world.dialog}@{PROXY}:5060;lr>"
    first, again = world.read(entry), world.read(entry)
    assert again.token is first.token and again.claims_token
    assert again.own_user == world.dialog.encode() and again.has_changed


def test_two_entries_of_ours_for_two_transports_both_come_off() -> None:
    world = World()
    entries = (
        f"<sip:{world.dialog}@{PROXY}:5060;transport=tcp;lr>",
        f"<sip:{world.dialog}@{PROXY}:5060;lr>",
        "<sip:far.test;lr>",
    )
    routes = world.read(*entries)
    assert routes.entries == [b"<sip:far.test;lr>"] and routes.token is not None


def test_a_foreign_entry_and_what_follows_it_stay() -> None:
    world = World()
    ours = f"<sip:{world.dialog}@{PROXY}:5060;lr>"
    routes = world.read("<sip:far.test;lr>", ours)
    assert routes.entries == [b"<sip:far.test;lr>", ours.encode()]
    assert routes.token is None and not routes.claims_token


def test_outside_a_dialog_a_token_says_nothing() -> None:
    world = World()
    routes = world.read(f"<sip:{world.dialog}@{PROXY}:5060;lr>", to="<sip:x@y>")
    assert routes.token is None and not routes.claims_token and routes.has_changed


def test_a_token_that_is_not_ours_is_claimed_and_not_believed() -> None:
    world = World()
    for user in ("A" * 48, world.dialog[:-1] + "!", f"{world.dialog}.0badcafe"):
        routes = world.read(f"<sip:{user}@{PROXY}:5060;lr>")
        assert routes.claims_token and routes.token is None


def test_a_flow_token_alone_chooses_a_contact_and_with_a_mark_is_the_old_form() -> None:
    world = World()
    routes = world.read(f"<sip:{world.flow_token}@{PROXY}:5060;lr>")
    assert routes.wanted_flow == world.flow_token.encode() and routes.token is None
    assert not routes.claims_token
    routes = world.read(f"<sip:{world.flow_token}.0badcafe@{PROXY}:5060;lr>")
    assert routes.caller == b"0badcafe" and routes.token is not None


def test_a_probe_s_token_is_no_token_of_a_dialog() -> None:
    world = World()
    probe = world.tokens.make_probe("pool.test", "udp", "10.0.1.1", 5060, 100.0)
    routes = world.read(f"<sip:{probe.decode()}@{PROXY}:5060;lr>")
    assert routes.probe is not None and routes.token is None


def test_what_a_strict_router_did_is_undone() -> None:
    """It puts our entry into the Request-URI and the Request-URI last."""
    world = World()
    uri = f"sip:{world.dialog}@{PROXY}:5060;lr"
    routes = world.read("<sip:far.test;lr>", "<sip:x@contoso.test>", uri=uri)
    assert routes.request_uri == b"sip:x@contoso.test"
    assert routes.entries == [b"<sip:far.test;lr>"] and routes.token is not None


def test_an_unreadable_entry_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        World().read("<sip:")


@pytest.mark.parametrize(
    ("uri", "routes", "ours"),
    [
        ("sip:contoso.test", (), True),
        (f"sip:{PROXY}:5060", (), True),
        ("sip:elsewhere.test", (), False),
        ("sip:contoso.test", ("<sip:far.test;lr>",), False),
    ],
)
def test_which_register_is_for_our_registrar(uri, routes, ours) -> None:
    world = World()
    assert is_for_registrar(world.read(*routes, uri=uri), world.identity) is ours
