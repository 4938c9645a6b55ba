"""Whether name servers answer, and where the default route leads."""

from proxy.admin.name_servers import ask_name_servers, route_step
from proxy.config import load_config
from proxy.lab.dns_server import ZoneServer
from tests.support.ports import free_address

HOST = "127.0.0.5"


def config_of(tmp_path, *servers, route=""):
    path = tmp_path / "waypost.toml"
    named = ", ".join(f'"{each}"' for each in servers)
    path.write_text(
        '[proxy]\ndomains = ["contoso.test"]\n[[listen]]\n'
        'transport = "tcp"\naddress = "127.0.0.5:5060"\n'
        f"[dns]\nnameservers = [{named}]\n"
        + (f'[routes]\ndefault = "{route}"\n' if route else "")
    )
    return load_config(path, {})


def nobody():
    return "{}:{}".format(*free_address(HOST))


async def test_only_a_server_that_has_answered_is_ok(tmp_path):
    silent = nobody()
    verdict, text = await ask_name_servers(config_of(tmp_path, silent), tmp_path)
    assert verdict == "warning" and "no name server answers" in text
    zone = ZoneServer({"fe.contoso.test A": ["127.0.0.9"]}, *free_address(HOST))
    await zone.start()
    try:
        server = f"{zone.host}:{zone.port}"
        found = await ask_name_servers(config_of(tmp_path, server), tmp_path)
        assert found == ("ok", f"{server}: answers")
        both = config_of(tmp_path, silent, server)
        verdict, text = await ask_name_servers(both, tmp_path)
        assert verdict == "warning" and "the others are asked instead" in text
    finally:
        await zone.stop()


async def test_no_server_at_all_is_failed(tmp_path):
    config = config_of(tmp_path)
    verdict, text = await ask_name_servers(config, tmp_path / "resolv.conf")
    assert verdict == "failed" and "nameservers = [" in text


async def test_a_route_is_ok_when_somebody_knows_it(tmp_path):
    zone = ZoneServer({"fe.contoso.test A": ["127.0.0.9"]}, *free_address(HOST))
    await zone.start()
    try:
        server = f"{zone.host}:{zone.port}"
        for host, wanted in (("fe", "ok"), ("gone", "warning")):
            route = f"sip:{host}.contoso.test;transport=tcp"
            config = config_of(tmp_path, server, route=route)
            verdict, text = await route_step(config)
            assert verdict == wanted, text
    finally:
        await zone.stop()
    config = config_of(tmp_path, nobody(), route="sip:fe.contoso.test")
    verdict, text = await route_step(config)
    assert verdict == "unknown" and "no name server answers" in text
    numeric = config_of(tmp_path, nobody(), route="sip:192.0.2.1")
    assert (await route_step(numeric))[0] == "ok"
    assert (await route_step(config_of(tmp_path)))[0] == "ok"
