"""Whom the health check asks."""

from proxy.admin.probe import DEFAULT, address


def test_the_environment_comes_before_the_file(tmp_path):
    path = tmp_path / "waypost.toml"
    path.write_text('[admin]\nlisten = "127.0.0.9:8061"\n')
    named = {"WAYPOST_CONFIG": str(path)}
    assert address(named) == ("127.0.0.9", 8061)
    listen = {"WAYPOST_ADMIN_LISTEN": "127.0.0.1:1"}
    assert address({**named, **listen}) == ("127.0.0.1", 1)


def test_without_a_word_about_it_the_default_is_asked(tmp_path):
    host, _, port = DEFAULT.partition(":")
    named = {"WAYPOST_CONFIG": str(tmp_path / "missing.toml")}
    assert address(named) == (host, int(port))


def test_a_listener_on_every_address_is_asked_on_loopback():
    assert address({"WAYPOST_ADMIN_LISTEN": "0.0.0.0:8060"}) == ("127.0.0.1", 8060)
    assert address({"WAYPOST_ADMIN_LISTEN": "[::]:8060"}) == ("::1", 8060)
