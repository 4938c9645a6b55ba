"""Extensions of REGISTER: Path (RFC 3327), outbound (RFC 5626), GRUU (RFC 5627)."""

import pytest

from tests.support.messages import request
from tests.support.registry import ALICE, Registry

PHONE = '<sip:alice@10.1.0.9:40000>;+sip.instance="<urn:uuid:1>";reg-id=1'
VIA_EDGE = (
    "Via: SIP/2.0/UDP 10.9.9.9:5060;branch=z9hG4bKedge",
    "Supported: path, outbound",
)


@pytest.fixture
def registry():
    return Registry()


@pytest.mark.parametrize("tag", ["gruu", "gruu-10"])
def test_a_gruu_cannot_be_required_because_we_make_none(registry, tag):
    answer = registry.register(PHONE, headers=(f"Require: {tag}",))
    assert (answer.status, answer.value("unsupported")) == (420, tag.encode())
    assert registry.bound() == []


def test_who_merely_understands_gruu_registers_as_ever(registry):
    answer = registry.register(PHONE, headers=("Supported: gruu, gruu-10",))
    assert answer.status == 200
    assert b"gruu=" not in answer.value("contact")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ((), 439),
        (("Path: <sip:edge.contoso.test;lr>",), 439),
        (("Path: <sip:inner;lr;ob>", "Path: <sip:edge;lr>"), 439),
        (("Path: <sip:inner;lr>", "Path: <sip:edge;lr;ob>"), 200),
    ],
)
def test_the_proxy_next_to_the_client_must_keep_its_flow(registry, path, status):
    answer = registry.register(PHONE, headers=(*VIA_EDGE, *path))
    assert answer.status == status
    assert len(registry.bound()) == (status == 200)


@pytest.mark.parametrize(
    ("peer", "contact"),
    [("client", PHONE), ("client/tcp", PHONE.replace("40000", "40000;transport=tcp"))],
)
def test_outbound_is_granted_where_the_flow_is_ours(registry, peer, contact):
    """Over UDP we answer STUN, over streams CRLFCRLF (RFC 5626 section 6)."""
    answer = registry.register(contact, peer=peer, headers=("Supported: outbound",))
    assert answer.values("require") == [b"outbound"]


def test_outbound_is_granted_where_the_proxy_next_to_the_client_keeps_the_flow(
    registry,
):
    path = "Path: <sip:inner;lr>, <sip:edge;lr;ob>"
    answer = registry.register(PHONE, headers=(*VIA_EDGE, path))
    assert answer.values("require") == [b"outbound"]
    assert answer.values("path") == [path[6:].encode()]


@pytest.mark.parametrize(
    "lines",
    [
        ("Path: <sip:edge;lr;ob>",),
        ("Supported: path", "Path: <sip:edge;lr;ob>"),
    ],
)
def test_outbound_is_not_granted_to_who_did_not_ask(registry, lines):
    via, _ = VIA_EDGE
    answer = registry.register(PHONE, headers=(via, *lines))
    assert answer.status == 200
    assert "require" not in answer.index


def test_outbound_is_not_granted_for_somebody_elses_contact(registry):
    other = '<sip:alice@10.1.0.77>;+sip.instance="<urn:uuid:1>";reg-id=1'
    answer = registry.register(other, headers=("Supported: outbound",))
    assert answer.status == 200
    assert "require" not in answer.index


def test_a_via_beside_another_on_one_line_is_a_hop_as_well(registry):
    """As a proxy may write it: the client is not next to us."""
    via = "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bKr, SIP/2.0/UDP 10.9.9.9"
    answer = registry.register(PHONE, headers=("Supported: outbound",), via=via)
    assert answer.status == 439


def test_without_outbound_in_supported_nobody_asked_for_a_flow(registry):
    via, _ = VIA_EDGE
    assert registry.register(PHONE, headers=(via,)).status == 200


def test_one_register_binds_one_flow(registry):
    other = "<sip:alice@10.1.0.9:40001>"
    assert registry.register(PHONE, other).status == 400
    assert registry.bound() == []
    assert registry.register(PHONE, f"{other};expires=0").status == 200


def test_a_reg_id_without_an_instance_means_nothing(registry):
    contact = registry.contact_of("client/tcp")
    answer = registry.register(
        f"{contact};reg-id=1", peer="client/tcp", headers=("Supported: outbound",)
    )
    assert answer.status == 200
    assert "require" not in answer.index
    again = registry.register(f"{contact};reg-id=2", peer="client/tcp")
    assert len(again.values("contact")) == 1


def test_path_is_accepted_from_clients_that_do_not_know_it(registry):
    """RFC 3327 section 5.3 leaves it to us; legacy clients never say that they do."""
    answer = registry.register(PHONE, headers=("Path: <sip:edge.contoso.test;lr>",))
    assert (answer.status, "path" in answer.index) == (200, False)


@pytest.mark.parametrize("value", ["", ",", " , ,"])
def test_a_path_without_values_does_not_come_back(registry, value):
    answer = registry.register(PHONE, headers=(f"Path: {value}", "Supported: path"))
    assert (answer.status, "path" in answer.index) == (200, False)


@pytest.mark.parametrize(
    ("contact", "asked_at"),
    [
        (
            "sip:alice@10.1.0.9:40000?Subject=hello",
            "sip:alice@10.1.0.9:40000",
        ),
        (
            "sip:alice@10.1.0.9:40000;method=INVITE;ob?X=1&Y=2",
            "sip:alice@10.1.0.9:40000;ob",
        ),
        (
            "sip:a;method=x@10.1.0.9:40000;method=INVITE",
            "sip:a;method=x@10.1.0.9:40000",
        ),
        ("sip:alice@10.1.0.9:40000;methods=x", "sip:alice@10.1.0.9:40000;methods=x"),
    ],
)
def test_a_request_uri_carries_no_headers_and_no_method(registry, contact, asked_at):
    answer = registry.register(f"<{contact}>")
    assert answer.values("contact") == [f"<{contact}>;expires=3600".encode()]
    registry.register(f"<{contact}>")
    assert registry.bound() == [asked_at]
    registry.send("client", request(f"MESSAGE {ALICE}"))
    (line,) = [
        message.split(b"\r\n")[0]
        for name, message in registry.sent
        if message.startswith(b"MESSAGE")
    ]
    assert line == f"MESSAGE {asked_at} SIP/2.0".encode()
    registry._script.clear()
