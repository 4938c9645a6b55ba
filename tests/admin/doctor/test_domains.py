"""Served domains without an alias, and who has looked for one."""

from proxy.admin.doctor.domains import domains_without_alias
from proxy.endpoints.model import Endpoint
from proxy.endpoints.unknown import NOBODY
from proxy.endpoints.usage import Usage

DOMAINS = "contoso.test", "b.test", "c.test"


def endpoint(key):
    return Endpoint(f"sip:{key}", key, "pool.test")


def dialled(address, aor):
    return Usage(address, aor, 1.0, 2.0, 1, 1, "", "", "")


def warned(*keys, rows=(), sees=lambda key: True):
    found = domains_without_alias(map(endpoint, keys), DOMAINS, rows, sees)
    return {step.of: step for step in found}


def test_no_domain_or_every_domain_has_one():
    assert warned() == {}
    assert warned("chat@elsewhere.test") == {}
    assert warned("chat@contoso.test", "x@b.test", "y@c.test") == {}


def test_each_that_has_none_is_named_with_the_command():
    found = warned("chat@contoso.test")
    assert set(found) == {"b.test", "c.test"}
    assert {step.verdict for step in found.values()} == {"warning"}
    assert "sip:chat@b.test --pool-fqdn pool.test" in found["b.test"].fix


def test_who_has_dialled_one_in_vain():
    rows = [
        dialled("ocschat@b.test", "a@b.test"),
        dialled("ocschat@b.test", "b@b.test"),
        dialled("ocschat@c.test", "a@c.test"),
        dialled("chat@c.test", "a@c.test"),
        dialled(*NOBODY),
    ]
    found = warned("chat@contoso.test", rows=rows)
    assert "2 users have dialled ocschat@b.test in vain" in found["b.test"].text
    assert "1 user has dialled 2 addresses of it in vain" in found["c.test"].text


def test_nothing_is_said_of_a_domain_that_is_not_shown():
    found = warned("chat@contoso.test", sees=lambda key: key.endswith("@b.test"))
    assert set(found) == {"b.test"}
