"""What may be drained, and how a drain ends."""

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import describe_changes
from proxy.endpoints.codec import audit_json, row_from_json
from proxy.endpoints.drains import (
    DEFAULT_ROUTE,
    MOST_DRAINS,
    Member,
    drain_front_end,
    end_drains,
    front_end_of,
    undrain_front_end,
)
from proxy.endpoints.model import Drain, Pool
from proxy.endpoints.table import EndpointTable
from proxy.endpoints.undo import undo_change

A, B = "a.contoso.test", "b.contoso.test"
FE1, FE2 = Member("fe1.test", "10.0.0.1", 5060), Member("fe2.test", "10.0.0.2", 5060)
MEMBERS = {A: [FE1, FE2], B: [FE1, FE2]}


def table(*drains):
    return EndpointTable((), (Pool(A), Pool(B)), drains=drains)


def decide(drain, members=MEMBERS, there=(), **words):
    return drain_front_end(drain, members, **words)(table(*there))


def refused(*args, **words):
    with pytest.raises(Refused) as error:
        decide(*args, **words)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FE1.Test", ("fe1.test", None)),
        (" fe1.test. ", ("fe1.test", None)),
        ("fe1:5061", ("fe1", 5061)),
        ("10.0.0.1", ("10.0.0.1", None)),
        ("10.0.0.1:5060", ("10.0.0.1", 5060)),
        ("2001:DB8::1", ("2001:db8::1", None)),
        ("[2001:db8:0::1]:5061", ("2001:db8::1", 5061)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
    ],
)
def test_a_front_end_is_a_name_or_an_address_with_or_without_port(text, found):
    assert front_end_of(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "fe1:", "fe1:x", "fe1:0", "fe1:65536", "udp:10.0.0.1:5060", "sip:fe1"),
        *("fe 1", "[fe1]:5060x", "a" * 300, "ä.test", "-fe1", "fe1@pool"),
    ],
)
def test_what_is_neither_is_refused_with_an_example(text):
    with pytest.raises(Refused, match=r"fe1\.contoso\.com|port"):
        front_end_of(text)


def test_it_covers_a_name_or_an_address_in_every_pool_or_in_one():
    assert Drain("fe1.test").covers("FE1.test", "10.0.0.1", 5060, A)
    assert Drain("10.0.0.1").covers("fe1.test", "10.0.0.1", 5061, B)
    assert not Drain("10.0.0.1", 5060).covers("fe1.test", "10.0.0.1", 5061, B)
    assert not Drain("fe1.test", pool=B).covers("fe1.test", "10.0.0.1", 5060, A)
    assert not Drain("fe2.test").covers("fe1.test", "10.0.0.1", 5060, A)


def test_a_front_end_is_drained_while_another_one_is_left():
    (change,) = decide(Drain("fe1.test", reason="patch"))
    assert (change.before, change.kind, change.key) == (None, "drain", "fe1.test")
    assert describe_changes([change]) == ["drain front end fe1.test: patch"]


def test_the_last_one_of_any_of_its_pools_is_refused_unless_forced():
    there = [Drain("10.0.0.2", pool=B)]
    told = refused(Drain("fe1.test"), there=there)
    assert B in told and "last" in told and "--force" in told
    assert decide(Drain("fe1.test"), there=there, force=True)
    assert decide(Drain("fe1.test", pool=A), there=there)


def test_a_drain_that_has_ended_leaves_its_front_end_to_others():
    there = [Drain("fe2.test", ends_at=5.0)]
    assert decide(Drain("fe1.test", drained_at=5.0), there=there)
    assert "last" in refused(Drain("fe1.test", drained_at=4.0), there=there)


def test_the_last_one_that_is_not_out_is_refused_as_well():
    members = {A: [FE1, FE2._replace(is_out=True)]}
    assert "fe2.test" in refused(Drain("fe1.test"), members)
    assert decide(Drain("fe2.test"), members)


def test_one_that_no_pool_has_is_refused_and_those_there_are_are_named():
    told = refused(Drain("fe9.test"))
    assert "fe1.test, fe2.test" in told
    assert refused(Drain("fe1.test", 5099))
    assert decide(Drain("fe9.test"), force=True)


def test_a_front_end_of_the_default_route_alone_is_refused_even_when_forced():
    default = Member("home.test", "10.0.0.9", 5061)
    members = {**MEMBERS, DEFAULT_ROUTE: [default]}
    for text in ("home.test", "10.0.0.9"):
        told = refused(Drain(text), members, force=True)
        assert "default route" in told and "sign-ins" in told
    assert "default route" in refused(Drain("home.test", 5061, A), members)
    # Of a pool as well, it is drained there.
    both = {A: [FE1, FE2, default], B: [FE1, FE2], DEFAULT_ROUTE: [default]}
    assert decide(Drain("home.test"), both)
    # While DNS is silent nobody knows what it is: whoever says --force does.
    silent = {A: None, B: [FE1], DEFAULT_ROUTE: [default]}
    assert "DNS" in refused(Drain("home.test"), silent)
    assert decide(Drain("home.test"), silent, force=True)


def test_a_pool_that_is_not_in_the_table_is_refused_even_when_forced():
    assert "pool list" in refused(Drain("fe1.test", pool="c.test"), force=True)


def test_without_dns_nobody_knows_whether_it_is_the_last():
    told = refused(Drain("fe1.test"), {A: None, B: None})
    assert "DNS" in told and A in told and "--force" in told


def test_a_reason_is_one_short_line():
    for reason in ("two\nlines", "x" * 257):
        assert "one line" in refused(Drain("f", reason=reason))


def test_drained_again_it_has_the_new_end():
    there = Drain("fe1.test", ends_at=5.0)
    (change,) = decide(Drain("fe1.test", ends_at=9.0), there=[there])
    assert (change.before, change.after.ends_at) == (there, 9.0)


def test_there_are_only_so_many():
    there = [Drain(f"x{n}.test") for n in range(MOST_DRAINS)]
    assert "undrain" in refused(Drain("fe1.test"), there=there)


def undrain(text, *there, pool=""):
    return undrain_front_end(text, MEMBERS, pool)(table(*there))


def test_its_other_name_brings_it_back_too():
    there = Drain("10.0.0.1", 5060, reason="patch")
    for text in ("fe1.test", "10.0.0.1", "FE1.test:5060"):
        (change,) = undrain(text, there)
        assert (change.before, change.after) == (there, None)
    assert describe_changes([change]) == ["undrain front end 10.0.0.1:5060"]


def test_one_pool_alone_can_have_it_back_when_it_was_drained_for_that():
    one, two = Drain("fe1.test", pool=A), Drain("fe1.test", pool=B)
    (change,) = undrain("fe1.test", one, two, pool=B)
    assert change.before == two
    assert len(undrain("fe1.test", one, two)) == 2
    with pytest.raises(Refused, match="every pool"):
        undrain("fe1.test", Drain("fe1.test"), pool=B)


def test_what_is_not_drained_is_refused():
    with pytest.raises(Refused, match="not drained"):
        undrain("fe2.test", Drain("fe1.test"))
    with pytest.raises(Refused, match="not drained"):
        undrain("fe1.test:5061", Drain("fe1.test", 5060))


def test_ended_drains_go_and_no_others():
    ended = Drain("fe1.test", ends_at=5.0)
    there = table(ended, Drain("fe2.test"), Drain("fe3.test", ends_at=6.0))
    assert [each.before for each in end_drains(5.0)(there)] == [ended]


def test_a_drain_survives_the_store_and_the_history():
    drain = Drain("fe1.test", 5060, A, "patch", "anna", 1.5, 2.5)
    assert row_from_json(audit_json(drain)) == drain


def test_undo_takes_a_drain_back_and_brings_it_again():
    drain = Drain("fe1.test")
    (change,) = undo_change(1, None, drain, 9.0)(table(drain))
    assert (change.before, change.after) == (drain, None)
    (change,) = undo_change(2, drain, None, 9.0)(table())
    assert (change.before, change.after) == (None, drain)
    with pytest.raises(Refused, match="again"):
        undo_change(1, None, drain, 9.0)(table(Drain("fe1.test", ends_at=1.0)))
