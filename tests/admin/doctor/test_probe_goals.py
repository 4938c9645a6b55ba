"""Whether a guard with probes would have anything to probe."""

from dataclasses import replace

from proxy.admin.doctor.probe_goals import judge_probe_goals
from proxy.config import load_config
from proxy.endpoints.changes import RowChange
from proxy.endpoints.model import Canary, Endpoint
from proxy.endpoints.table import EndpointTable
from proxy.lab.dns_server import ZoneServer
from tests.support.ports import free_address

KEY, OLD, NEW = "ocschat@contoso.test", "old.contoso.test", "new.contoso.test"
BEFORE = Endpoint(f"sip:{KEY}", KEY, OLD)
AFTER = replace(BEFORE, pool_fqdn=NEW)
TABLE = EndpointTable([BEFORE], [], [], 1)


async def warned(tmp_path, *afters, dns="127.0.0.1:1", more=""):
    path = tmp_path / "waypost.toml"
    path.write_text(
        '[proxy]\ndomains = ["contoso.test"]\n[[listen]]\n'
        'transport = "tcp"\naddress = "127.0.0.5:5060"\n'
        f'[dns]\nnameservers = ["{dns}"]\n{more}'
    )
    changes = [RowChange(BEFORE, after) for after in afters]
    steps = await judge_probe_goals(load_config(path, {}), TABLE, changes)
    assert all(step.verdict == "warning" and step.fix for step in steps)
    return {step.of: step.text for step in steps}


async def test_a_pool_with_a_front_end_needs_no_word(tmp_path):
    records = {
        f"_sip._tcp.{NEW} SRV": ["10 60 5060 fe.contoso.test."],
        "fe.contoso.test A": ["127.0.0.9"],
    }
    zone = ZoneServer(records, *free_address("127.0.0.5"))
    await zone.start()
    try:
        dns = f"{zone.host}:{zone.port}"
        assert await warned(tmp_path, AFTER, dns=dns) == {}
        canary = replace(BEFORE, canary=Canary(NEW, 10))
        assert await warned(tmp_path, canary, dns=dns) == {}
        gone = replace(BEFORE, pool_fqdn="gone.contoso.test")
        found = await warned(tmp_path, AFTER, gone, dns=dns)
        assert set(found) == {"gone.contoso.test"}
        assert "no front end can be found" in found["gone.contoso.test"]
    finally:
        await zone.stop()


async def test_what_keeps_every_probe_from_beginning(tmp_path):
    retired = replace(AFTER, state="retired")
    assert "is retired" in (await warned(tmp_path, retired))[NEW]
    tcp = '[chat_probe]\ntransports = ["tcp"]\n'
    assert "can be found" in (await warned(tmp_path, AFTER, more=tcp))[NEW]
