"""`waypost explain` without a service: from configuration and store."""


def test_a_refusal_needs_no_dns_and_says_that_health_is_unknown(waypost):
    waypost.create()
    assert waypost("explain", "ghost@contoso.test") == 0
    assert "answered 404" in waypost.out and "Health is not known" in waypost.out
    told = waypost.out.partition("Health is not known")[0]
    assert max(map(len, told.splitlines())) <= 80


def test_a_share_belongs_to_a_plan(waypost):
    assert waypost("explain", "ghost@contoso.test", "--percent", "10") == 1
    assert "--plan" in waypost.err
