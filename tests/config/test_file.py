"""The configuration: what loads, and what is said when it does not."""

import re
import tomllib
from pathlib import Path

import pytest

from proxy.config import Config, ConfigError, find_config, load_config
from proxy.config.file import default_text, overshadowed
from proxy.config.section import keys_of
from proxy.sip.limits import DEFAULT_LIMITS
from tests.config.loading import load_text, problems
from tests.support.configuration import SMALL

SHIPPED = Path(__file__).parents[2] / "config" / "waypost.toml"


def test_the_shipped_file_listens_where_others_reach_it_and_keeps_its_store(tmp_path):
    """As docs/deploy.md says: printed into /etc/waypost, mounted into a container."""
    config = load_text(tmp_path, SHIPPED.read_text())
    assert [listen.transport for listen in config.listen] == ["udp", "tcp"]
    assert {listen.address for listen in config.listen} == {"0.0.0.0:5060"}
    assert config.store_url == "sqlite:////var/lib/waypost/waypost.db"


def test_a_checkout_knows_the_default_file_too():
    assert default_text() == SHIPPED.read_text()


def test_the_shipped_file_shows_every_key_and_every_default():
    text = SHIPPED.read_text()
    for section, field in keys_of(Config).items():
        assert f"[{section}]" in text
        model = field.type
        if section in ("listen", "pool"):
            model = model.__args__[0]
        for key in keys_of(model):
            assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), (section, key)


def test_what_is_active_in_the_shipped_file_is_the_default():
    shown = tomllib.loads(SHIPPED.read_text())
    assert set(shown.pop("proxy")) == {"advertised_host", "domains"}
    assert all(set(x) == {"transport", "address"} for x in shown.pop("listen"))
    for name, table in shown.items():
        default = keys_of(Config)[name].type().as_table()
        assert table == {key: default[key] for key in table}, name


def test_every_commented_key_of_the_shipped_file_is_accepted(tmp_path):
    text = re.sub(r"^# (\w+ = |\[\[)", r"\1", SHIPPED.read_text(), flags=re.MULTILINE)
    config = load_text(tmp_path, text)
    assert config.advertised_host == "proxy.contoso.test"
    assert config.listen[2].transport == "tls"
    assert config.pool[0].fqdn == "pcpool.contoso.com"
    assert config.routes.default_uri.host == "fe.contoso.test"


def test_a_small_file_gets_every_default(tmp_path):
    config = load_text(tmp_path, SMALL)
    assert config.attempts.connect == 2.0
    assert config.attempts.failover_codes == [503]
    assert config.limits.message_limits() == DEFAULT_LIMITS
    assert config.store_url == "sqlite:////var/lib/waypost/waypost.db"
    assert config.advertised_host is None


def test_all_errors_come_at_once_with_line_key_and_what_to_write(tmp_path):
    text = """[proxy]
domian = ["x"]
domains = "a"
[[listen]]
transport = "udp"
address = "host:5060"
[[listen]]
transport = "sctp"
address = "127.0.0.1"
[attempts]
connect = "fast"
[stor]
"""
    name = "/waypost.toml"
    assert problems(tmp_path, text) == [
        f'{name}:2: proxy.domian: unknown key; did you mean "domains"?',
        f'{name}:3: proxy.domains: is "a" but should be a list: '
        'write domains = ["contoso.test"]',
        f'{name}:6: listen[1].address: "host" is not an IP address: '
        'write one such as "127.0.0.5:5060" or "[::1]:5060"',
        f"{name}:8: listen[2].transport: is \"sctp\" but should be 'udp', 'tcp' or "
        "'tls': write transport = \"udp\"",
        f'{name}:9: listen[2].address: "127.0.0.1" needs a port between 1 and 65535: '
        'write "127.0.0.1:5060"',
        f'{name}:11: attempts.connect: is "fast" but should be a number: '
        "write connect = 2.0",
        f'{name}:12: stor: unknown section; did you mean "store"?',
    ]


def test_a_syntax_error_names_its_line(tmp_path):
    (found,) = problems(tmp_path, "[proxy]\ndomains = contoso.test\n")
    assert found.startswith("/waypost.toml:2: not TOML")
    assert "quotes" in found


def test_the_environment_overrides_single_keys(tmp_path):
    environ = {
        "WAYPOST_STORE_URL": "sqlite:////tmp/other.db",
        "WAYPOST_PROXY_ADVERTISED_HOST": "Proxy.Contoso.Test.",
        "WAYPOST_PROXY_DOMAINS": "a.test, b.test",
        "WAYPOST_ATTEMPTS_FIRST_ANSWER": "3",
        "WAYPOST_LOG_ACCESS": "false",
        "WAYPOST_ATTEMPTS_FAILOVER_CODES": "[500, 503]",
        "WAYPOST_CONFIG": "ignored here",
        "WAYPOST_SOAK": "1",
    }
    config = load_text(tmp_path, SMALL, environ)
    assert config.store_url == "sqlite:////tmp/other.db"
    assert config.advertised_host == "proxy.contoso.test"
    assert config.domains == {"a.test", "b.test"}
    assert config.attempts.first_answer == 3
    assert config.log.access is False
    assert config.attempts.failover_codes == [500, 503]


def test_a_wrong_environment_variable_is_named(tmp_path):
    found = problems(
        tmp_path, SMALL, {"WAYPOST_ATTEMPTS_TOTAL": "long", "WAYPOST_LOG_LEVL": "info"}
    )
    assert any(line.startswith("$WAYPOST_ATTEMPTS_TOTAL: ") for line in found)
    assert any('did you mean "level"' in line for line in found)


def test_three_slashes_are_relative_to_the_file(tmp_path):
    config = load_text(tmp_path, SMALL + '[store]\nurl = "sqlite:///data/w.db"')
    assert config.store_url == f"sqlite:///{tmp_path}/data/w.db"


def test_tls_files_of_a_listener_come_before_those_of_all(tmp_path):
    config = load_text(
        tmp_path,
        SMALL + '[tls]\ncertificate = "all.pem"\nkey = "/k/all.key"\nca = "ca.pem"'
        '\n[[listen]]\ntransport = "tls"\naddress = "[::1]:5061"\n'
        'certificate = "own.pem"',
    )
    files = config.tls_files(config.listen[1])
    assert files == (tmp_path / "own.pem", Path("/k/all.key"), tmp_path / "ca.pem")
    assert (config.listen[1].host, config.listen[1].port) == ("::1", 5061)


def test_the_effective_values_show_no_secret(tmp_path):
    config = load_text(tmp_path, SMALL + '[store]\nurl = "sqlite:////u:secret@x/w.db"')
    assert "secret" not in str(config.effective())


def test_the_file_is_the_one_named_then_the_environment_then_the_usual_places(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert find_config("a.toml", {"WAYPOST_CONFIG": "b.toml"}) == Path("a.toml")
    assert find_config(None, {"WAYPOST_CONFIG": "b.toml"}) == Path("b.toml")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "waypost.toml").touch()
    assert find_config(None, {}) == Path("config/waypost.toml")


def test_a_file_of_this_folder_that_wins_over_the_service_s_is_told(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    there, absent = tmp_path / "etc.toml", tmp_path / "absent.toml"
    there.touch()
    here = Path("config/waypost.toml")
    monkeypatch.setattr("proxy.config.file.SEARCHED", (here, there))
    note = overshadowed(here)
    assert str(tmp_path / here) in note and f"--config {there}" in note
    assert overshadowed(there) == ""
    monkeypatch.setattr("proxy.config.file.SEARCHED", (here, absent))
    assert overshadowed(here) == ""


def test_no_file_at_all_says_how_to_name_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("proxy.config.file.SEARCHED", (Path("config/waypost.toml"),))
    with pytest.raises(ConfigError, match=r"^there is no configuration.*--config FILE"):
        find_config(None, {})
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "absent.toml")
