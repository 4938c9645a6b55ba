"""Drained front ends over the API: roles, and the sentences of the command."""

from tests.support.console import in_store

CHAT = {"sip_address": "sip:ocschat@contoso.test", "pool_fqdn": "pcpool.contoso.test"}
BODY = {"reason": "patch day", "seconds": 1800}


def test_an_operator_drains_and_undrains(call, config_file):
    operator = call("operator", name="ci")
    operator.post("/endpoints", json=CHAT)
    path = "/drains/fe1.contoso.test"
    viewer = call("viewer")
    assert viewer.put(path, json=BODY).status_code == 403
    assert operator.put(f"{path}?force=true&what_if=true", json=BODY).json()["what_if"]
    assert operator.get("/drains").json() == []
    refused = operator.put(path, json=BODY)
    assert refused.status_code in (404, 409)
    assert "fe1.contoso.test" in refused.json()["detail"]
    (change,) = operator.put(f"{path}?force=true", json=BODY).json()["changes"]
    assert change["after"]["reason"] == "patch day"
    assert change["after"]["ends_at"].startswith("20")
    (row,) = viewer.get("/drains").json()
    assert (row["front_end"], row["drained_by"]) == ("fe1.contoso.test", "ci")
    (change,) = operator.delete(path).json()["changes"]
    assert change["after"] is None
    assert operator.delete(path).status_code == 404
    rows = in_store(config_file, lambda operator: operator.store.history())
    assert [x.verb for x in rows[:2]] == ["pool.undrain", "pool.drain --force"]


def test_what_names_no_front_end_is_refused(admin):
    assert admin.put("/drains/sip:fe1", json={}).status_code == 422
    assert admin.put("/drains/fe1", json={"seconds": 0}).status_code == 422
    assert admin.put("/drains/fe1", json={"for": "30m"}).status_code == 422
