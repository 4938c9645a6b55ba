"""Every mistake of a plan at once, each with its line."""

from proxy.endpoints.changes import Rules
from proxy.endpoints.mistakes import check_changes, in_order
from proxy.endpoints.plan import PlannedChange, read_plan

RULES = Rules(frozenset({"contoso.test"}))
PLAN = """colour = 1
[[change]]
sip_address = "sip:ok@contoso.test"
pool_fqdn = "pool.contoso.test"
[[change]]
sip_address = "sip:chat@elsewhere.test"
pool_fqdn = "short"
request_uri = "what"
service_uris = ["nonsense", "sip:gc-*@contoso.test", "more nonsense"]
display_name = "two\\nlines"
"""


def test_no_mistake_hides_another_and_each_has_a_line():
    plan = read_plan(PLAN, "p.toml")
    right, mistakes = check_changes(plan, RULES)
    assert [change.sip_address for change, _, _ in right] == ["sip:ok@contoso.test"]
    found = in_order(mistakes, "p.toml")
    lines = [int(each.split(":")[1]) for each in found]
    assert lines == [1, 6, 7, 8, 9, 9, 10]
    assert "elsewhere.test" in found[1] and "short name" in found[2]


LISTED = """[[change]]
service_uris = [
    # "sip:nothing",
    "sip:gc-*@contoso.test", # good
    'nonsense',
    "more nonsense"
]
sip_address = "sip:chat@contoso.test"
pool_fqdn = "pool.contoso.test"
"""


def test_a_text_of_a_list_has_the_line_on_which_it_stands():
    _, mistakes = check_changes(read_plan(LISTED, "p.toml"), RULES)
    assert [int(each.split(":")[1]) for each in mistakes] == [5, 6]


def test_what_does_not_stand_there_has_the_line_of_its_change():
    (change,) = read_plan(LISTED, "p.toml").changes
    assert change.line_of("expect_pool") == change.line_of("") == 1
    assert change.line_of("sip_address") == 8
    assert change.line_of("service_uris", "sip:nothing") == 2
    assert PlannedChange("sip:a@b.test", "p.test").line_of("sip_address") == 0


def test_they_stand_in_the_order_of_the_file_and_once():
    mixed = ["p.toml:10: b", "p.toml:2: a", "of nowhere", "p.toml:10: b", "p.toml:9: c"]
    assert in_order(mixed, "p.toml") == [
        *("of nowhere", "p.toml:2: a", "p.toml:9: c", "p.toml:10: b")
    ]
    assert in_order([], "p.toml") == []
