"""The location service: order, expiry, and a cost that does not grow."""

import os
from time import process_time
from timeit import repeat

import pytest

from proxy.location.binding import Binding, BindingChange
from proxy.location.service import LocationService

AOR = "alice@contoso.test"


def binding(key=b"a", *, aor=AOR, q=1.0, expires_at=100.0, registered_at=0.0):
    return Binding(
        aor,
        key,
        b"sip:" + key,
        b"<sip:%b>" % key,
        q,
        expires_at,
        registered_at,
        b"c",
        1,
    )


def service(*bindings):
    made = LocationService()
    made.load(bindings)
    return made


def keys(location, aor=AOR, now=0.0):
    return [b.key for b in location.live(aor, now)]


def test_nobody_has_no_bindings():
    assert service().live(AOR, 0.0) == []


def test_the_highest_q_comes_first_and_among_equals_the_newest():
    location = service(
        binding(b"old", registered_at=1.0),
        binding(b"low", q=0.2, registered_at=9.0),
        binding(b"new", registered_at=2.0),
    )
    assert keys(location) == [b"new", b"old", b"low"]


def test_an_expired_binding_is_gone_when_somebody_looks():
    location = service(binding(b"a", expires_at=10.0), binding(b"b", expires_at=20.0))
    assert keys(location, now=9.9) == [b"a", b"b"]
    assert keys(location, now=10.0) == [b"b"]
    assert keys(location, now=20.0) == []
    assert location.aors == 0


def test_a_sweep_frees_what_nobody_looks_at():
    location = service(
        *(binding(aor=f"u{n}@x", expires_at=10.0 * n) for n in range(10))
    )
    assert location.sweep(45.0) == 5
    assert len(location) == 5


def test_changes_add_replace_and_remove():
    location = service(binding(b"a"))
    location.apply(
        [
            BindingChange(AOR, b"a", None),
            BindingChange(AOR, b"b", binding(b"b", q=0.1)),
            BindingChange(AOR, b"c", binding(b"c", q=0.2)),
        ]
    )
    assert keys(location) == [b"c", b"b"]
    location.apply([BindingChange(AOR, b"b", binding(b"b", q=0.9))])
    assert keys(location) == [b"b", b"c"]
    location.apply([BindingChange(AOR, b"b", None), BindingChange(AOR, b"c", None)])
    assert location.aors == 0


def test_expiry_is_compared_with_the_wall_clock():
    location = service(binding(expires_at=1_000_010.0))
    location.wall_offset = 1_000_000.0
    assert keys(location, now=9.0) == [b"a"]
    assert keys(location, now=10.0) == []


def test_a_row_makes_the_same_binding_again():
    made = Binding(
        AOR, b"k", b"sip:x", b"<sip:x>", 0.5, 9.0, 1.0, b"call", 7, b"<urn:uuid:1>",
        2, "epid", "agent", "udp:1.2.3.4:5", b"<sip:p;lr>\n<sip:q;lr>", b"token",
    )  # fmt: skip
    assert Binding(*made.row()).row() == made.row()
    assert made.routes == [b"<sip:p;lr>", b"<sip:q;lr>"]


@pytest.mark.parametrize("others", [100_000])
def test_a_look_up_costs_the_same_among_ten_and_a_hundred_thousand(others):
    small = service(*(binding(aor=f"u{n}@x") for n in range(10)))
    large = service(*(binding(aor=f"u{n}@x") for n in range(others)))

    def cost(location):
        run = lambda: [location.live(f"u{n}@x", 1.0) for n in range(10)]  # noqa: E731
        return min(repeat(run, timer=process_time, number=500, repeat=5))

    ratio = cost(large) / cost(small)
    print(f"\na look-up among {others} bindings costs {ratio:.2f} times that among 10")
    # Promised is 1.2 on a machine of our own; a look-up that walks the table is
    # thousands of times dearer.
    assert ratio < (1.2 if os.environ.get("WAYPOST_SOAK_REGISTER") else 5)


def test_a_clock_set_forward_takes_nothing_from_what_is_left():
    location = service(
        binding(b"a", expires_at=100.0), binding(b"gone", expires_at=40.0)
    )
    changes = location.clock_set(7200.0, 50.0, 3600.0)
    assert location.wall_offset == 7200.0
    assert [(c.key, c.after.expires_at) for c in changes] == [(b"a", 7300.0)]
    assert keys(location, now=99.9) == [b"a"]
    assert keys(location, now=100.0) == []


def test_a_clock_set_back_leaves_nobody_more_than_is_ever_granted():
    location = service(binding(b"a", expires_at=100.0), binding(b"b", expires_at=9e9))
    changes = location.clock_set(-20.0, 50.0, 3600.0)
    assert [(c.key, c.after.expires_at) for c in changes] == [(b"b", 3630.0)]
    assert keys(location, now=119.9) == [b"a", b"b"]
    assert keys(location, now=120.0) == [b"b"]
    assert keys(location, now=3650.0) == []


def test_a_year_ahead_by_mistake_and_back_is_forgotten():
    location = service(binding(b"a", expires_at=100.0))
    year = 31_536_000.0
    location.clock_set(year, 50.0, 3600.0)
    location.clock_set(-year, 60.0, 3600.0)
    assert keys(location, now=61.0) == [b"a"]
    assert keys(location, now=3660.0) == []


def test_what_has_been_replaced_is_no_longer_held():
    location = service(binding(b"a"))
    (old,) = location.live(AOR, 0.0)
    assert location.holds(old)
    location.apply([BindingChange(AOR, b"a", binding(b"a", expires_at=200.0))])
    assert not location.holds(old)
