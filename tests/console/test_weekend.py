"""Doctor and runbook over the API, for callers who see a part only."""

import pytest

from proxy.endpoints.usage import Usage
from tests.support.console import TEXT, in_store, running_console, write_config

MINE, OTHER = "ocschat@contoso.test", "ocschat@contoso.com"
PLAN = "".join(
    f"""
[[change]]
sip_address = "{each}"
pool_fqdn = "pool.contoso.test"
create = true
"""
    for each in (MINE, OTHER)
)
REGISTRAR = """
[registrar]
enabled = true
trusted_networks = ["127.0.0.9/32"]
"""


@pytest.fixture
def config_file(tmp_path):
    return write_config(tmp_path, TEXT + REGISTRAR)


@pytest.fixture
def console(config_file):
    with running_console(config_file) as running:
        yield running


def test_who_dials_what_nobody_serves_is_told_within_the_scope(call, config_file):
    rows = [
        Usage(each, "a@x", 1e9, 2e9, 3, 3, "ua", "", "tcp:10.1.1.1")
        for each in (MINE, OTHER)
    ]
    in_store(config_file, lambda op: op.store.add_unknown(rows))
    views = call("viewer").get("/usage/unknown").json()
    assert {x["sip_address"] for x in views} == {f"sip:{MINE}", f"sip:{OTHER}"}
    part = call("viewer", name="part", domains=["contoso.test"])
    (view,) = part.get("/usage/unknown").json()
    assert (view["sip_address"], view["users"], view["requests"]) == (
        *(f"sip:{MINE}", 1, 3),
    )
    assert view["last_at"].startswith("2033-")


def conflicts(caller):
    found = caller.post("/doctor", json={"plan": PLAN}).json()["steps"]
    return {x["of"]: x["verdict"] for x in found if x["name"] == "conflict"}


def test_silence_about_an_address_that_is_not_shown_is_unknown(call):
    assert conflicts(call("operator")) == {f"sip:{MINE}": "ok", f"sip:{OTHER}": "ok"}
    for more in ({"domains": ["contoso.test"]}, {"endpoints": [MINE]}):
        part = call("operator", name="-".join(more), **more)
        assert conflicts(part) == {f"sip:{MINE}": "ok", f"sip:{OTHER}": "unknown"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/runbook", None), ("GET", "/runbook/report", None),
        ("PUT", "/runbook", {"name": "p.toml", "plan": PLAN}),
        ("PUT", "/runbook?what_if=true", {"name": "p.toml", "plan": PLAN}),
        ("DELETE", "/runbook", None),
        ("PUT", "/runbook/steps/deploy", {"note": "x"}),
        ("DELETE", "/runbook/steps/deploy", None),
    ],
)  # fmt: skip
def test_the_runbook_is_not_divided(call, config_file, method, path, body):
    in_store(config_file, lambda op: op.store.set_note("runbook", "kept"))
    part = call("admin", domains=["contoso.test"])
    answer = part.request(method, path, json=body)
    assert answer.status_code == 403
    assert "leaves out what belongs to the whole service" in answer.json()["detail"]
    assert in_store(config_file, lambda op: op.store.note("runbook")) == "kept"


def test_the_document_says_what_is_not_divided(admin):
    paths = admin.get("/openapi.json").json()["paths"]
    whole = {
        path.removeprefix("/api/v1")
        for path, item in paths.items()
        if all(each.get("x-waypost-unscoped") for each in item.values())
    }
    assert whole == {
        *("/runbook", "/runbook/report", "/runbook/steps/{step}"),
        *("/calls", "/traces", "/traces/call", "/traces/capture"),
        *("/traces/live", "/traces/bodies", "/explain", "/store/check"),
    }
