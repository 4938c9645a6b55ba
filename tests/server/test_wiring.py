"""From the configuration file to ends of TLS and listeners."""

import ssl
from pathlib import Path

from proxy.config import load_config
from proxy.server import wiring
from tests.support.certificates import Authority

TEXT = """
[proxy]
advertised_host = "proxy.contoso.test"
domains = ["contoso.test"]
[[listen]]
transport = "tls"
address = "127.0.0.5:5061"
verify_client = "required"
trusted_peers = ["FEPool.contoso.test", "*.edge.contoso.test"]
[[listen]]
transport = "tls"
address = "127.0.0.5:5062"
minimum_version = "TLSv1"
first_hop = true
[tls]
certificate = "{0.certificate}"
key = "{0.key}"
ca = "{0.ca}"
[[pool]]
fqdn = "Old.contoso.test"
ca = "{1}"
minimum_version = "TLSv1.1"
"""


def test_every_key_of_tls_arrives_where_it_counts(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    files = authority.issue("proxy.contoso.test")
    path = tmp_path / "waypost.toml"
    path.write_text(TEXT.format(files, other.ca))
    config = load_config(path, {})

    options = wiring.listen_options(config)
    strict, lenient = (options[number].tls for number in (0, 1))
    assert strict and lenient
    assert strict.trusted_peers == ("fepool.contoso.test", "*.edge.contoso.test")
    assert strict.context.verify_mode == ssl.CERT_REQUIRED
    assert strict.context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert lenient.context.minimum_version == ssl.TLSVersion.TLSv1
    assert [x.first_hop for x in wiring.listeners_of(config)] == [False, True]

    [(name, end)] = wiring.pool_tls(config).items()
    assert name == "old.contoso.test"
    assert (end.files.certificate, end.files.ca) == (files.certificate, other.ca)
    assert end.context.minimum_version == ssl.TLSVersion.TLSv1_1
    client = wiring.client_tls(config)
    certificates = wiring.certificates_of(config, options, client, {name: end})
    certificates.check()
    assert len(certificates._groups) == 2  # watched: the common files, and the pool's
