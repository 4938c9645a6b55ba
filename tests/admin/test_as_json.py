"""What every JSON value of ours keeps to; tests/test_json_shapes.py has the shapes."""

from datetime import datetime

import pytest

from proxy.admin.as_json import (
    access_to_json,
    binding_to_json,
    cutover_outcome_to_json,
    endpoint_changes,
    iso,
    outcome_to_json,
    steps_to_json,
    timed,
    unknown_to_json,
    user_to_json,
    warnings,
)
from proxy.admin.control import Outcome
from proxy.admin.doctor.verdicts import Step
from proxy.admin.unknown import UnknownAddress
from proxy.endpoints.changes import RowChange
from proxy.endpoints.model import Cutover, Endpoint, Pool
from proxy.endpoints.usage import Usage
from proxy.location.binding import Binding
from proxy.store.access import Access
from proxy.store.registrar import User

CHAT = Endpoint("sip:chat@b.test", "chat@b.test", "p.test")


def test_an_instant_has_its_zone_and_milliseconds() -> None:
    text = iso(1_790_000_000.25)
    assert datetime.fromisoformat(text).timestamp() == 1_790_000_000.25
    assert ".250" in text and datetime.fromisoformat(text).tzinfo is not None


def test_instants_are_known_by_their_names_and_never_is_null() -> None:
    found = timed(
        {"at": 5.0, "made_at": 0.0, "rows": [{"until": 7.0}], "seconds": 3.0, "n": 1}
    )
    assert found["at"] == iso(5.0) and found["made_at"] is None
    assert found["rows"][0]["until"] == iso(7.0)
    assert found["seconds"] == 3.0 and found["n"] == 1


def test_a_change_shows_before_and_after_whatever_the_row() -> None:
    outcome = Outcome([RowChange(None, CHAT), RowChange(Pool("p.test"), None)], True)
    told = outcome_to_json(outcome)
    assert told["what_if"] is True
    assert [(x["kind"], x["key"]) for x in told["changes"]] == [
        ("endpoint", "chat@b.test"),
        ("pool", "p.test"),
    ]
    assert told["changes"][0]["before"] is None and told["changes"][1]["after"] is None


def test_of_a_cutover_its_endpoints_are_changes_and_its_newest_row_is_itself() -> None:
    old, new = (Cutover(n, "applied", "plan", 1.0, "me") for n in (1, 2))
    outcome = Outcome(
        [RowChange(None, old), RowChange(None, CHAT), RowChange(old, new)]
    )
    told = cutover_outcome_to_json(outcome)
    assert [x["kind"] for x in told["changes"]] == ["endpoint"]
    assert told["cutover"]["cutover"] == 2
    assert [x.row for x in endpoint_changes(outcome)] == [CHAT]
    assert cutover_outcome_to_json(Outcome([]))["cutover"] is None


@pytest.mark.parametrize("secret", ["the-proof", "the-hash"])
def test_no_proof_and_no_hash_is_shown(secret: str) -> None:
    access = Access(*("token", "ci", "viewer", "the-proof", (), (), 1.0, "me"))
    user = User(
        "alice", "contoso.test", {"SHA-256": "the-hash", "MD5": "the-hash"}, 5.0
    )
    assert secret not in str(access_to_json(access)) + str(user_to_json(user))
    assert user_to_json(user)["algorithms"] == ["MD5", "SHA-256"]


def test_bytes_of_a_binding_are_text_even_when_they_are_none() -> None:
    binding = Binding("a@b", b"k", b"sip:\xff@h", b"v", 1.0, 9.0, 1.0, b"c", 1)
    told = binding_to_json(binding)
    assert told["contact"] == "sip:\ufffd@h" and told["reg_id"] is None


def test_an_address_of_nobody_tells_of_its_first_and_last_caller() -> None:
    rows = [
        Usage("x@b", "bob@b", 3.0, 9.0, 1, 0, "ua", "e", "udp"),
        Usage("x@b", "alice@b", 1.0, 5.0, 2, 0, "ua", "e", "udp"),
    ]
    told = unknown_to_json(UnknownAddress("sip:x@b", rows))
    assert (told["first_at"], told["last_at"], told["last_by"]) == (1.0, 9.0, "bob@b")
    assert told["requests"] == 3 and len(told["clients"]) == 2


def test_steps_have_a_verdict_over_all() -> None:
    steps = [Step("a", "x", "ok", "fine"), Step("a", "y", "warning", "doubtful", "fix")]
    told = steps_to_json(steps)
    assert told["verdict"] == "warning" and told["steps"][1]["fix"] == "fix"


def test_without_remarks_there_is_no_key_for_them() -> None:
    assert warnings([]) == {} and warnings(iter(["x"])) == {"warnings": ["x"]}
