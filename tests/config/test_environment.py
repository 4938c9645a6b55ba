"""The environment over the file: whose variables are ours, and whose are not."""

import pytest

from proxy.config import ConfigError, load_config
from proxy.config.environment import is_service_link
from tests.support.configuration import SMALL


def load(tmp_path, environ):
    path = tmp_path / "waypost.toml"
    path.write_text(SMALL)
    return load_config(path, environ)


def service_links(name, port=8060, protocol="tcp"):
    """What Kubernetes sets for a Service, as its documentation has it."""
    here = f"{name}_PORT_{port}_{protocol.upper()}"
    return {
        f"{name}_SERVICE_HOST": "10.96.0.7",
        f"{name}_SERVICE_PORT": str(port),
        f"{name}_SERVICE_PORT_HTTP": str(port),
        f"{name}_SERVICE_PORT_SIP_UDP": "5060",
        f"{name}_PORT": f"{protocol}://10.96.0.7:{port}",
        here: f"{protocol}://10.96.0.7:{port}",
        f"{here}_PROTO": protocol,
        f"{here}_PORT": str(port),
        f"{here}_ADDR": "10.96.0.7",
    }


@pytest.mark.parametrize(
    "service",
    [
        "",
        "_STORE",
        "_ADMIN",
        "_SERVER",
        "_STORE_REDIS",
        "_LISTEN",
        "_SERVER_WORKER_UDP",
    ],
)
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_variables_of_a_service_of_kubernetes_change_nothing(
    tmp_path, service, protocol
):
    links = service_links(f"WAYPOST{service}", protocol=protocol)
    assert all(is_service_link(*each) for each in links.items())
    assert load(tmp_path, links).effective() == load(tmp_path, {}).effective()


def test_our_own_keys_are_not_taken_for_them(tmp_path):
    config = load(tmp_path, {"WAYPOST_SERVER_WORKER_UDP_PORT": "6000"})
    assert config.server.worker_udp_port == 6000
    config = load(tmp_path, {"WAYPOST_PROXY_ADVERTISED_HOST": "p.contoso.test"})
    assert config.advertised_host == "p.contoso.test"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("WAYPOST_STORE_ULR", 'store.ulr: unknown key; did you mean "url"?'),
        ("WAYPOST_STOER_URL", "did you mean WAYPOST_STORE_URL?"),
        ("WAYPOST_ADMIN_SERVICE", "admin.service: unknown key"),
        ("WAYPOST_STORE_HOST", "store.host: unknown key"),
        ("WAYPOST_ADMIN_PORT_X_TCP", "admin.port_x_tcp: unknown key"),
        ("WAYPOST_LISTEN_ADDRESS", "[[listen]] is a list: write its keys into"),
    ],
)
def test_slips_are_told(tmp_path, name, expected):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {name: "x", **service_links("WAYPOST_STORE")})
    (problem,) = caught.value.problems
    assert problem.source == f"${name}"
    assert expected in str(problem)


def test_variables_of_others_are_left_alone(tmp_path):
    load(tmp_path, {"WAYPOST_PURE": "1", "WAYPOST_TEST_TARGET": "kamailio", "PATH": ""})
