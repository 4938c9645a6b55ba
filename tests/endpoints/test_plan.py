"""Plan files and pilot lists, as administrators write them."""

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.plan import PlannedChange, parse_pilots, parse_plan


def test_a_plan_is_read_with_its_defaults():
    plan = parse_plan(
        'name = "weekend"\nconfirm_within = 30\n[[change]]\n'
        'sip_address = "sip:a@b.test"\npool_fqdn = "p.test"\n'
        'expect_pool = "Old.test"\n',
        "plan.toml",
    )
    assert (plan.name, plan.confirm_within) == ("weekend", 30)
    assert plan.changes == (
        PlannedChange("sip:a@b.test", "p.test", expect_pool="old.test"),
    )
    assert plan.changes[0].no_live_binding and not plan.changes[0].create


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[change", "plan.toml:1: not TOML"),
        ("", "there is no [[change]]"),
        ('[[changes]]\nsip_address = "a@b"', 'did you mean "change"?'),
        ('[[change]]\nsip_address = "a@b.test"', "change 1: pool_fqdn is missing"),
        ('[[change]]\npool = "p.test"', 'did you mean "pool_fqdn"?'),
        ('[[change]]\nsip_address = 3\npool_fqdn = "p.t"', "should be text in quotes"),
        ('[[change]]\nsip_address="a@b"\npool_fqdn="p.t"\ncreate="yes"', "true or fal"),
        ("confirm_within = 0\n[[change]]", "number of minutes"),
        (
            '[[change]]\nsip_address="a@b"\npool_fqdn="p.t"\n'
            '[[change]]\nsip_address="sip:A@b"\npool_fqdn="p.t"',
            "change 2: sip:A@b stands there twice",
        ),
        (
            '[[change]]\nsip_address="a@b"\npool_fqdn="p.t"\nexpect_pool="10.1.1.1"',
            "change 1: expect_pool:",
        ),
    ],
)
def test_every_mistake_says_where_and_what_to_write(text, said):
    with pytest.raises(Refused) as refusal:
        parse_plan(text, "plan.toml")
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("plan.toml")


def test_several_mistakes_come_at_once():
    with pytest.raises(Refused) as refusal:
        parse_plan("[[change]]\n[[change]]\nfoo = 1\n", "p")
    lines = str(refusal.value).splitlines()
    assert [x.partition(" ")[0] for x in lines] == [
        "p:1:",
        "p:1:",
        "p:2:",
        "p:2:",
        "p:3:",
    ]


def test_pilots_are_addresses_with_comments_in_any_form():
    text = "# first wave\nsip:Alice@contoso.test\n\nbob@contoso.test  # help desk\n"
    assert parse_pilots(text, "p") == {"alice@contoso.test", "bob@contoso.test"}


@pytest.mark.parametrize("text", ["", "# nobody\n", "alice\n", "a@b c@d\n"])
def test_a_pilot_list_that_names_nobody_is_refused(text):
    with pytest.raises(Refused):
        parse_pilots(text, "pilots.txt")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "pool_fqdn = \u201cp.test\u201d",
            "plan.toml:3: not TOML: it holds a typographic",
        ),
        ("pool_fqdn\u00a0= 'p.test'", "plan.toml:3: not TOML: it holds a no-break"),
        ("pool_fqdn = p.test", "plan.toml:3: not TOML: Invalid value in `pool_fqdn ="),
    ],
)
def test_a_plan_that_is_no_toml_is_told_with_its_line(line, said):
    text = f"[[change]]\nsip_address = 'a@b.test'\n{line}\n"
    with pytest.raises(Refused) as refusal:
        parse_plan(text, "plan.toml")
    assert said in str(refusal.value)


def test_a_pilot_with_an_invisible_character_would_never_be_met():
    assert parse_pilots("alice@b.test\u00a0\n", "p") == {"alice@b.test"}
    with pytest.raises(Refused, match=r"p:2: .*invisible character \(U\+200B\)"):
        parse_pilots("alice@b.test\nbob@b.test\u200b\n", "p")
