"""The four tables, walked over every pair of state and input."""

import pytest

from proxy.transaction import client, server
from proxy.transaction.states import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
)

TABLES = {
    "invite client": INVITE_CLIENT,
    "non-invite client": NON_INVITE_CLIENT,
    "invite server": INVITE_SERVER,
    "non-invite server": NON_INVITE_SERVER,
}
STATES = {
    "invite client": "calling proceeding completed accepted stranded",
    "non-invite client": "trying proceeding completed",
    "invite server": "proceeding completed confirmed accepted",
    "non-invite server": "trying proceeding completed",
}
INPUTS = {
    "invite client": "100,1xx,2xx,300-699,transport error,connection lost,check"
    ",broken,cancelled,timer A,timer B,timer C,timer D,timer M",
    "non-invite client": "100,1xx,2xx,300-699,transport error,connection lost,check"
    ",broken,timer E,timer F,timer K",
    "invite server": "1xx,2xx,300-699,request,ack,transport error"
    ",broken,credentials,timer G,timer H,timer I,timer L",
    "non-invite server": "1xx,2xx,300-699,request,transport error"
    ",broken,credentials,timer J",
}
PAIRS = [
    (name, state, input_)
    for name in TABLES
    for state in STATES[name].split()
    for input_ in INPUTS[name].split(",")
]


@pytest.mark.parametrize(("name", "state", "input_"), PAIRS)
def test_every_pair_of_state_and_input_is_listed(name, state, input_):
    transition = TABLES[name][state][input_]
    assert transition.state in {*STATES[name].split(), "terminated"}


@pytest.mark.parametrize("name", TABLES)
def test_no_table_lists_anything_else(name):
    listed = {(s, i) for s, inputs in TABLES[name].items() for i in inputs}
    assert listed == {(s, i) for n, s, i in PAIRS if n == name}


@pytest.mark.parametrize("name", TABLES)
def test_every_effect_is_carried_out_by_the_code(name):
    module = client if "client" in name else server
    used = {e for row in TABLES[name].values() for t in row.values() for e in t.effects}
    assert used <= module._EFFECTS.keys()


@pytest.mark.parametrize("module", [client, server])
def test_no_code_is_left_for_an_effect_that_no_table_lists(module):
    side = "client" if module is client else "server"
    used = {
        effect
        for name, table in TABLES.items()
        if side in name
        for row in table.values()
        for transition in row.values()
        for effect in transition.effects
    }
    assert used == module._EFFECTS.keys()


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_be_reached_and_left(name):
    table = TABLES[name]
    reached = {next(iter(table))}
    for _ in table:
        reached |= {t.state for s in reached & table.keys() for t in table[s].values()}
    assert reached == {*table, "terminated"}
    for state, row in table.items():
        assert any(t.state != state for t in row.values()), state


@pytest.mark.parametrize("name", ["invite client", "non-invite client"])
def test_a_final_response_is_passed_up_once(name):
    """RFC 3261 sections 17.1.1.2 and 17.1.2.2; RFC 6026 makes 2xx an exception."""
    for state, row in TABLES[name].items():
        for final in ("2xx", "300-699"):
            passed = "pass up" in row[final].effects
            assert passed == (
                state in ("calling", "trying", "proceeding")
                or (state in ("accepted", "stranded") and final == "2xx")
            )


def test_every_non_2xx_to_an_invite_is_acknowledged_each_time():
    """RFC 3261 section 17.1.1.3."""
    for state in ("calling", "proceeding", "completed"):
        assert "ack" in INVITE_CLIENT[state]["300-699"].effects


def test_a_2xx_is_never_acknowledged_by_the_transaction():
    """RFC 3261 section 13.2.2.4: that ACK comes from the caller."""
    assert not any("ack" in row["2xx"].effects for row in INVITE_CLIENT.values())


def test_a_server_in_accepted_lets_only_2xx_out():
    """RFC 6026 section 7.1."""
    row = INVITE_SERVER["accepted"]
    assert [i for i, t in row.items() if "send" in t.effects] == ["2xx"]
    assert not any("resend" in t.effects for t in row.values())
