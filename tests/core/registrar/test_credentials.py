"""Who may register: networks, certificates, passwords; by default nobody."""

import re

import pytest

from proxy.core import events
from proxy.sip.digest import _HASHERS, ha1_of
from tests.support.registry import ALICE, Registry

CONTACT = "<sip:alice@10.1.0.9:40000>"
REALM = "contoso.test"


def registry_with(*users, algorithms=("SHA-256",), networks=(), known=None):
    """`users` are (name, password); `known` the algorithms they have an HA1 for."""
    registry = Registry(
        registrar={"trusted_networks": networks, "algorithms": algorithms}
    )
    stored = {
        name: {a: ha1_of(a, name, REALM, password) for a in known or algorithms}
        for name, password in users
    }
    registry.core.handle(events.LocationLoaded([], stored), registry.now)
    return registry


def nonce_of(answer):
    return re.search(rb'nonce="([^"]+)"', answer.value("www-authenticate"))[1].decode()


def authorization(
    nonce, *, user="alice", password="s3cret", algorithm="SHA-256", count=1, **changed
):
    """The header field of a client that knows a password."""
    values = {"uri": "sip:contoso.test", "qop": "auth", "cnonce": "0a", **changed}
    hasher = _HASHERS[algorithm]
    ha2 = hasher(f"REGISTER:{values['uri']}".encode())
    nc = f"{count:08x}"
    ha1 = ha1_of(algorithm, user, REALM, password)
    response = hasher(
        f"{ha1}:{nonce}:{nc}:{values['cnonce']}:{values['qop']}:{ha2}".encode()
    )
    return (
        f'Authorization: Digest username="{user}", realm="{REALM}", nonce="{nonce}", '
        f'uri="{values["uri"]}", response="{response}", algorithm={algorithm}, '
        f'cnonce="{values["cnonce"]}", qop={values["qop"]}, nc={nc}'
    )


def sign_in(registry, answer=None, aor=ALICE, peer="client", **how):
    answer = answer or registry.register(CONTACT, aor=aor, peer=peer)
    header = authorization(nonce_of(answer), **how)
    return registry.register(CONTACT, aor=aor, headers=(header,), peer=peer)


def test_by_default_nobody_may_register():
    registry = registry_with()
    answer = registry.register(CONTACT)
    assert answer.status == 401
    assert sign_in(registry, answer).status == 401
    assert registry.bound() == []


def test_a_trusted_network_needs_no_password_and_any_other_does():
    registry = Registry()
    assert registry.register(CONTACT).status == 200
    assert registry.register(CONTACT, peer="stranger").status == 401


def test_loopback_is_not_trusted_by_itself():
    registry = registry_with()
    flow = registry.flows.udp(registry.flows.listeners[0], "127.0.0.1", 5070)
    gate = registry.core.registrar.gate
    assert flow.host not in gate._trusted


def test_the_challenge_names_realm_nonce_algorithm_and_qop():
    answer = registry_with().register(CONTACT)
    value = answer.value("www-authenticate")
    assert value.startswith(b'Digest realm="contoso.test", nonce="')
    assert value.endswith(b'algorithm=SHA-256, qop="auth"')


def test_the_right_password_binds():
    registry = registry_with(("alice", "s3cret"))
    assert sign_in(registry).status == 200
    assert registry.bound() == ["sip:alice@10.1.0.9:40000"]


@pytest.mark.parametrize(
    "how", [{"password": "wrong"}, {"user": "mallory"}, {"user": "Alice"}]
)
def test_a_wrong_password_and_an_unknown_user_look_alike(how):
    registry = registry_with(("alice", "s3cret"))
    answer = sign_in(registry, **how)
    assert answer.status == 401
    assert b"stale" not in answer.value("www-authenticate")


def test_the_uri_parameter_is_hashed_as_given_and_not_compared():
    registry = registry_with(("alice", "s3cret"))
    assert sign_in(registry, uri="(null)").status == 200


def test_a_user_registers_nobody_else():
    registry = registry_with(("alice", "s3cret"))
    answer = sign_in(registry, aor="sip:bob@contoso.test")
    assert answer.status == 403
    assert registry.bound("sip:bob@contoso.test") == []


def test_a_user_name_may_carry_its_domain():
    registry = registry_with(("alice@contoso.test", "s3cret"))
    assert sign_in(registry, user="alice@contoso.test").status == 200


def test_a_nonce_goes_on_with_a_growing_count_and_never_with_the_same():
    registry = registry_with(("alice", "s3cret"))
    challenge = registry.register(CONTACT)
    assert sign_in(registry, challenge, count=1).status == 200
    assert sign_in(registry, challenge, count=2).status == 200
    replay = sign_in(registry, challenge, count=2)
    assert replay.status == 401
    assert b"stale=true" in replay.value("www-authenticate")


def test_an_old_nonce_is_stale_which_asks_no_person_for_a_password():
    registry = registry_with(("alice", "s3cret"))
    challenge = registry.register(CONTACT)
    registry.advance(301)
    answer = sign_in(registry, challenge)
    assert answer.status == 401
    assert b"stale=true" in answer.value("www-authenticate")
    assert sign_in(registry, answer).status == 200


def test_a_nonce_that_we_did_not_make_is_no_good_with_any_password():
    registry = registry_with(("alice", "s3cret"))
    header = authorization("bm90IG91cnM=")
    assert registry.register(CONTACT, headers=(header,)).status == 401


def test_every_algorithm_has_a_challenge_of_its_own_the_best_first():
    registry = registry_with(("alice", "s3cret"), algorithms=("SHA-256", "MD5"))
    answer = registry.register(CONTACT)
    first, second = answer.values("www-authenticate")
    assert b"algorithm=SHA-256" in first
    assert b"algorithm=MD5" in second
    assert sign_in(registry, answer, algorithm="MD5").status == 200


def test_md5_is_not_taken_unless_it_is_offered():
    registry = registry_with(("alice", "s3cret"), known=("SHA-256", "MD5"))
    assert sign_in(registry, algorithm="MD5").status == 401


@pytest.mark.parametrize("changed", [{"qop": "auth-int"}, {"cnonce": ""}, {"count": 0}])
def test_less_than_qop_auth_is_not_taken(changed):
    registry = registry_with(("alice", "s3cret"))
    assert sign_in(registry, **changed).status == 401


def test_credentials_that_cannot_be_read_are_400():
    registry = registry_with(("alice", "s3cret"))
    header = 'Authorization: Digest username="a", username="b"'
    assert registry.register(CONTACT, headers=(header,)).status == 400


def test_a_legacy_scheme_gets_our_challenge():
    registry = registry_with(("alice", "s3cret"))
    header = 'Authorization: NTLM qop="auth", realm="SIP", gssapi-data=""'
    assert registry.register(CONTACT, headers=(header,)).status == 401


@pytest.mark.parametrize(
    ("domains", "users", "status"),
    [
        ((), ("alice@contoso.test",), 200),
        ((), ("bob@contoso.test", "alice@contoso.test"), 200),
        (("evil.test",), ("alice@contoso.test",), 200),
        (("contoso.test",), (), 200),
        (("evil.test", "contoso.test"), (), 200),
        ((), ("bob@contoso.test",), 401),
        ((), ("alice@sub.contoso.test",), 401),
        (("evil.test", "sub.contoso.test", "test"), (), 401),
        (("alice@contoso.test",), ("contoso.test",), 401),
    ],
)
def test_a_client_certificate_speaks_for_its_users_and_domains(domains, users, status):
    """All names count, whichever comes first (RFC 5922 section 7.1)."""
    registry = registry_with()
    flow = registry.flow("client/tcp")
    flow.peer_names, flow.peer_users = domains, users
    assert registry.register(CONTACT, peer="client/tcp").status == status


def test_users_are_swapped_when_the_store_changes():
    registry = registry_with(("alice", "s3cret"))
    registry.core.handle(events.LocationLoaded([], {}), registry.now)
    assert sign_in(registry).status == 401
