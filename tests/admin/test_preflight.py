"""config check: what start would find, without binding or writing."""

import ssl

import pytest

from proxy.admin import preflight
from proxy.config import load_config
from proxy.endpoints.changes import EndpointFields, Rules, new_endpoint
from proxy.store import Actor, open_store
from tests.support.ports import free_address

BASE = """
[proxy]
domains = ["contoso.test"]
[[listen]]
transport = "udp"
address = "127.0.0.5:5060"
[store]
url = "sqlite:///waypost.db"
[dns]
nameservers = ["127.0.0.1:5353"]
"""
TLS = """
[[listen]]
transport = "tls"
address = "127.0.0.5:5061"
certificate = "cert.pem"
key = "key.pem"
"""


async def steps(tmp_path, text=BASE):
    path = tmp_path / "waypost.toml"
    path.write_text(text)
    return await preflight.check(load_config(path, {}))


def failed(found):
    return [(step.name, step.text) for step in found if not step.ok]


async def test_a_good_configuration_passes_and_nothing_is_made(tmp_path):
    found = await steps(tmp_path)
    assert failed(found) == []
    assert {"config", "listen", "dns", "route", "store"} <= {s.name for s in found}
    assert [path.name for path in tmp_path.iterdir()] == ["waypost.toml"]


async def test_a_default_route_without_a_dot_is_doubtful(tmp_path):
    found = await steps(tmp_path, BASE + '[routes]\ndefault = "sip:fe:5060"\n')
    (step,) = [x for x in found if x.name == "route"]
    assert step.doubt and "write the full name" in step.text
    for whole in ("sip:[2001:db8::1]", "sip:192.0.2.1"):
        found = await steps(tmp_path, BASE + f'[routes]\ndefault = "{whole}"\n')
        assert not any(x.doubt for x in found if x.name == "route")


async def test_a_store_that_cannot_be_made_fails_the_check(tmp_path):
    found = await steps(tmp_path, BASE.replace("sqlite:///w", "sqlite:///a/b/w"))
    ((name, text),) = failed(found)
    assert name == "store" and "does not exist" in text


async def test_a_store_that_is_damaged_fails_the_check(tmp_path):
    (tmp_path / "waypost.db").write_bytes(b"no database" * 100)
    ((_, text),) = failed(await steps(tmp_path))
    assert "restore a backup" in text


async def test_an_endpoint_of_a_domain_no_longer_served_fails_the_check(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/waypost.db")
    rules = Rules(frozenset({"old.test"}))
    decide = new_endpoint("a@old.test", EndpointFields("p.q"), rules, 1.0)
    await store.change(Actor("a", "b"), "endpoint.new", decide, 1.0)
    await store.close()
    ((name, text),) = failed(await steps(tmp_path))
    assert name == "endpoint" and "old.test" in text


async def test_a_machine_without_resolver_needs_name_servers(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "RESOLV_CONF", tmp_path / "resolv.conf")
    text = BASE.replace("nameservers", "# nameservers")
    ((name, found),) = failed(await steps(tmp_path, text))
    assert name == "dns" and 'nameservers = ["' in found
    (tmp_path / "resolv.conf").write_text("nameserver 10.1.0.53\n")
    assert failed(await steps(tmp_path, text)) == []


async def test_missing_tls_files_are_named(tmp_path):
    ((name, text),) = failed(await steps(tmp_path, BASE + TLS))
    assert name == "tls 127.0.0.5:5061"
    assert "key.pem cannot be read" in text


async def test_files_that_are_not_pem_are_named(tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("not PEM")
    ((_, text),) = failed(await steps(tmp_path, BASE + TLS))
    assert "cert.pem is not usable PEM" in text


async def test_a_key_of_another_certificate_is_recognised(tmp_path):
    first, second = _pair("a.test"), _pair("b.test")
    (tmp_path / "cert.pem").write_bytes(first[0])
    (tmp_path / "key.pem").write_bytes(first[1])
    assert failed(await steps(tmp_path, BASE + TLS)) == []
    (tmp_path / "key.pem").write_bytes(second[1])
    ((_, text),) = failed(await steps(tmp_path, BASE + TLS))
    assert "is not the key of" in text


async def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(tmp_path):
    certificate, key = _pair("a.test", passphrase=b"secret")
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    ((_, text),) = failed(await steps(tmp_path, BASE + TLS))
    assert "has a passphrase" in text


async def test_a_certificate_must_cover_the_advertised_host(tmp_path):
    certificate, key = _pair("proxy.contoso.test")
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    text = BASE.replace("[proxy]", '[proxy]\nadvertised_host = "sip.contoso.test"')
    ((name, found),) = failed(await steps(tmp_path, text + TLS))
    assert name == "tls 127.0.0.5:5061"
    assert "sip.contoso.test" in found and "advertised_host" in found
    text = text.replace("sip.contoso", "proxy.contoso")
    assert failed(await steps(tmp_path, text + TLS)) == []


async def test_where_clients_connect_directly_the_boundary_is_told(tmp_path):
    text = BASE.replace('"udp"', '"tcp"\nfirst_hop = true')
    [told] = [x for x in await steps(tmp_path, text) if x.name == "boundary"]
    assert told.verdict == "unknown"
    assert "topology C" in told.text and "ruled out" in told.text
    assert "boundary" not in {step.name for step in await steps(tmp_path)}


async def test_a_ca_file_without_certificate_is_checked_for_pools(tmp_path):
    (tmp_path / "ca.pem").write_bytes(_pair("ca.test")[0])
    good = await steps(tmp_path, BASE + '[tls]\nca = "ca.pem"')
    assert failed(good) == []
    assert "tls to pools" in {step.name for step in good}


def _pair(name, passphrase=None):
    """A self-signed certificate and its key, PEM."""
    x509 = pytest.importorskip("cryptography.x509")
    import datetime

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    lock = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, lock)
    assert ssl.PEM_HEADER.encode() in certificate.public_bytes(pem)
    return certificate.public_bytes(pem), private


async def test_the_key_file_is_read(tmp_path):
    text = BASE.replace("[[listen]]", 'key_file = "route.key"\n[[listen]]', 1)
    ((name, said),) = failed(await steps(tmp_path, text))
    assert name == "keys" and "openssl rand -hex 32" in said
    (tmp_path / "route.key").write_text("ab" * 32)
    assert not failed(await steps(tmp_path, text))


async def test_a_registrar_that_is_filled_in_and_not_enabled_is_doubtful(tmp_path):
    filled = (
        BASE + '[registrar]\ntrusted_networks = ["10.1.0.0/16"]\nmax_contacts = 3\n'
    )
    (step,) = [x for x in await steps(tmp_path, filled) if x.name == "registrar"]
    assert step.verdict == "warning"
    assert "trusted_networks, max_contacts is set" in step.text
    assert "enabled = true" in step.text
    for plain in (BASE, BASE + "[registrar]\nenabled = false\nmax_contacts = 10\n"):
        assert "registrar" not in {x.name for x in await steps(tmp_path, plain)}
    enabled = filled.replace("[registrar]\n", "[registrar]\nenabled = true\n")
    assert "registrar" not in {x.name for x in await steps(tmp_path, enabled)}


def verdict(found, name):
    """The worst of one name."""
    order = ("failed", "unknown", "warning", "ok")
    mine = [x for x in found if x.name == name]
    return min(mine, key=lambda x: order.index(x.verdict))


async def test_the_console_is_looked_at_where_it_is_filled_in(tmp_path):
    assert "console" not in {step.name for step in await steps(tmp_path)}
    host, port = free_address("127.0.0.5")
    text = BASE + f'[console]\nlisten = "{host}:{port}"\n'
    step = verdict(await steps(tmp_path, text), "console")
    assert step.verdict == "ok"
    open_to_all = text.replace(f"{host}:{port}", f"0.0.0.0:{port}")
    step = verdict(await steps(tmp_path, open_to_all), "console")
    assert step.verdict == "failed" and "name certificate" in step.text
    files = f'{text}certificate = "c.pem"\nkey = "k.pem"\n'
    step = verdict(await steps(tmp_path, files), "console tls")
    assert step.verdict == "failed" and "k.pem" in step.text


async def test_for_programs_ok_and_doubt_follow_from_the_verdict(tmp_path):
    found = {step.verdict: step.to_json() for step in await steps(tmp_path)}
    assert (found["ok"]["ok"], found["ok"]["doubt"]) == (True, False)
    assert (found["warning"]["ok"], found["warning"]["doubt"]) == (True, True)
