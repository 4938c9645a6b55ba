"""Endpoints over the API: what the command does, with statuses and ETags."""

import json

import pytest

from tests.support.console import in_store

CHAT = {"sip_address": "sip:ocschat@contoso.test", "pool_fqdn": "pcpool.contoso.test"}
PATH = "/endpoints/sip:ocschat@contoso.test"


def test_an_endpoint_is_created_seen_changed_and_removed(admin):
    made = admin.post("/endpoints", json=CHAT)
    assert made.status_code == 201
    assert made.json()["what_if"] is False
    (change,) = made.json()["changes"]
    assert (change["kind"], change["before"]) == ("endpoint", None)
    assert change["after"]["pool_fqdn"] == "pcpool.contoso.test"
    assert change["after"]["created_at"].startswith("20")
    (listed,) = admin.get("/endpoints").json()
    assert listed["sip_address"] == CHAT["sip_address"]
    assert listed == admin.get(PATH).json()
    changed = admin.patch(PATH, json={"display_name": "Group chat"})
    assert changed.json()["changes"][0]["after"]["display_name"] == "Group chat"
    assert admin.get("/endpoints/Group chat").json()["display_name"] == "Group chat"
    assert admin.delete(PATH).status_code == 200
    assert admin.get("/endpoints").json() == []


def test_a_filter_that_could_stop_the_console_is_refused(call):
    call("admin").post("/endpoints", json={**CHAT, "display_name": "a" * 200})
    viewer = call("viewer")
    asked = {"filter": "{DisplayName -match '(a+)+b'}"}
    refused = viewer.get("/endpoints", params=asked)
    assert refused.status_code == 422
    assert "could take too long" in refused.json()["detail"]
    asked = {"filter": "{DisplayName -match '^a+$'}"}
    assert len(viewer.get("/endpoints", params=asked).json()) == 1


def test_the_audit_names_the_token_and_where_it_was_used(call, config_file):
    call("operator", name="ci").post("/endpoints", json=CHAT)
    row, *_ = in_store(config_file, lambda operator: operator.store.history())
    assert (row.actor.name, row.actor.origin) == ("ci", "token from 127.0.0.1")
    seen = call("viewer").get("/history").json()
    assert [each["actor"] for each in seen if each["kind"] == "endpoint"] == ["ci"]


def test_what_if_changes_nothing(admin):
    assert admin.post("/endpoints?what_if=true", json=CHAT).status_code == 200
    assert admin.get("/endpoints").json() == []
    admin.post("/endpoints", json=CHAT)
    before = admin.get("/history").json()
    for answer in (
        admin.patch(f"{PATH}?what_if=true", json={"display_name": "x"}),
        admin.post(f"{PATH}/retire?what_if=true", json={}),
        admin.delete(f"{PATH}?what_if=true"),
        admin.post(f"/history/{before[0]['number']}/undo?what_if=true"),
        admin.patch("/pools/pcpool.contoso.test?what_if=true", json={"port": 5060}),
        admin.post("/import?what_if=true", content=b"Identity,SipAddress\n1,sip:a@x"),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.json()["what_if"] is True
    assert admin.get("/history").json() == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/endpoints/x@contoso.test", None, 404, "there is no endpoint"),
        ("PATCH", "/endpoints/x@contoso.test", {"display_name": "x"}, 404, "no end"),
        ("DELETE", "/endpoints/x@contoso.test", None, 404, "there is no endpoint"),
        ("POST", "/endpoints", CHAT, 409, "exists already and leads to"),
        ("POST", "/endpoints", {**CHAT, "sip_address": "x"}, 422, 'has no "@"'),
        ("POST", "/endpoints", {**CHAT, "sip_adress": "x"}, 422, "sip_adress"),
        ("POST", "/endpoints", {"sip_address": "a@contoso.test"}, 422, "pool_fqdn"),
        ("PATCH", PATH, {}, 422, "nothing to change"),
        ("POST", "/history/99/undo", None, 404, "there is no change 99"),
        ("GET", "/nowhere", None, 404, "Not Found"),
        ("PUT", "/endpoints", None, 405, "Method Not Allowed"),
    ],
)
def test_a_refusal_is_a_problem_with_the_commands_sentence(
    admin, method, path, body, status, words
):
    admin.post("/endpoints", json=CHAT)
    answer = admin.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert words in problem["detail"]
    assert problem["status"] == status
    assert problem["type"].startswith("urn:waypost:problem:")
    assert problem["title"]


def test_two_administrators_do_not_overwrite_one_another(admin):
    admin.post("/endpoints", json=CHAT)
    tag = admin.get(PATH).headers["etag"]
    mine = admin.patch(PATH, json={"display_name": "A"}, headers={"If-Match": tag})
    assert mine.status_code == 200
    theirs = admin.patch(PATH, json={"display_name": "B"}, headers={"If-Match": tag})
    assert theirs.status_code == 412
    assert "somebody has changed it meanwhile" in theirs.json()["detail"]
    assert admin.get(PATH).json()["display_name"] == "A"
    fresh = mine.headers["etag"]
    assert fresh == admin.get(PATH).headers["etag"]
    gone = admin.delete(PATH, headers={"If-Match": f'"x", {fresh}'})
    assert gone.status_code == 200
    new = admin.post("/endpoints", json=CHAT, headers={"If-Match": tag})
    assert new.status_code == 412


def test_the_tag_of_the_list_is_good_until_anything_changes(admin):
    admin.post("/endpoints", json=CHAT)
    tag = admin.get("/endpoints").headers["etag"]
    other = {**CHAT, "sip_address": "sip:b@contoso.test"}
    headers = {"If-Match": tag}
    assert admin.post("/endpoints", json=other, headers=headers).status_code == 201
    assert admin.delete(PATH, headers=headers).status_code == 412


def test_a_star_matches_whatever_is_there(admin):
    admin.post("/endpoints", json=CHAT)
    assert admin.delete(PATH, headers={"If-Match": "*"}).status_code == 200


def test_a_file_is_imported_with_a_verdict_for_each_line(admin):
    rows = "SipAddress,PersistentChatPoolFqdn\nsip:a@contoso.test,p.contoso.test\n"
    answer = admin.post("/import", content=rows.encode())
    assert answer.status_code == 200
    assert [row["verdict"] for row in answer.json()["rows"]] == ["create"]
    bad = admin.post("/import", content=b"SipAddress\nsip:nobody@elsewhere.test\n")
    assert bad.status_code == 422
    text = admin.get("/export?format=csv")
    assert text.headers["content-type"].startswith("text/csv")
    assert "sip:a@contoso.test" in text.text
    assert json.loads(admin.get("/export?format=json").text)


def test_an_import_can_be_watched(admin):
    rows = b"SipAddress,PersistentChatPoolFqdn\nsip:a@contoso.test,p.contoso.test\n"
    headers = {"Accept": "text/event-stream"}
    answer = admin.post("/import", content=rows, headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    names = [x[7:] for x in answer.text.splitlines() if x.startswith("event: ")]
    assert names == ["step", "result"]
    bad = admin.post("/import", content=b"SipAddress\nx\n", headers=headers)
    assert "event: problem" in bad.text


def test_the_check_of_the_store_can_be_watched(admin):
    found = admin.post("/store/check").json()
    assert found["summary"].get("failed", 0) == 0
    headers = {"Accept": "text/event-stream"}
    told = admin.post("/store/check", headers=headers).text
    names = [x[7:] for x in told.splitlines() if x.startswith("event: ")]
    assert names == ["step"] * len(found["steps"]) + ["result"]
    assert "every page and index is whole" in told


def test_pools_are_seen_and_set(admin):
    admin.post("/endpoints", json=CHAT)
    (pool,) = admin.get("/pools").json()
    assert pool["endpoints"] == [CHAT["sip_address"]]
    answer = admin.patch("/pools/pcpool.contoso.test", json={"port": 5060})
    assert answer.json()["changes"][0]["after"]["port"] == 5060
    assert admin.patch("/pools/nonsense", json={"port": 1}).status_code == 422


def test_the_document_tells_of_every_route_and_who_may_ask(admin, url):
    document = admin.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    post = document["paths"]["/api/v1/endpoints"]["post"]
    assert post["x-waypost-role"] == "operator"
    assert {"200", "201", "4XX", "503"} <= post["responses"].keys()
