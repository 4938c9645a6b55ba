"""Places of connections: shares by address and network, and who gives way."""

from ipaddress import ip_network

import pytest

from proxy.net.admission import Admission, Place
from proxy.net.settings import AdmissionSettings
from proxy.sip.host import network_of


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Holder:
    def __init__(self, admission: Admission, place: Place, now: float) -> None:
        self.admission, self.place = admission, place
        self.silent_since = now
        self.is_proven = False
        self.is_open = True

    def give_way(self) -> None:
        self.is_open = False
        self.admission.give_back(self.place)


class Door:
    """Lets connections in, and remembers them."""

    def __init__(self, **settings: object) -> None:
        self.clock = Clock()
        self.admission = Admission(self.clock, AdmissionSettings(**settings))  # type: ignore[arg-type]

    def come(self, host: str) -> Holder | str:
        place = self.admission.take(host)
        if isinstance(place, str):
            return place
        holder = Holder(self.admission, place, self.clock.now)
        place.holder = holder
        self.clock.now += 0.001
        return holder

    def fill(self, network: str, count: int) -> list[Holder]:
        found = [self.come(f"{network}{n % 250 + 1}") for n in range(count)]
        assert not [x for x in found if isinstance(x, str)]
        return found  # type: ignore[return-value]


def test_an_address_and_a_network_have_their_shares() -> None:
    door = Door(total=100, per_source=3, per_network=5)
    assert [type(door.come("10.0.0.1")) for _ in range(3)] == [Holder] * 3
    assert door.come("10.0.0.1") == "source"
    assert [type(door.come(f"10.0.0.{n}")) for n in (2, 3)] == [Holder] * 2
    assert door.come("10.0.0.4") == "network"
    assert isinstance(door.come("10.0.1.4"), Holder)
    assert door.admission.refused_for["network"] == 1
    assert door.admission.refused == 2


def test_one_host_of_ipv6_is_one_network() -> None:
    door = Door(total=4_096, per_source=128, per_network=1_024)
    found = [door.come(f"fd00::{n:x}") for n in range(1, 5_000)]
    assert len([x for x in found if isinstance(x, Holder)]) == 1_024
    assert isinstance(door.come("fd00:0:0:9::1"), Holder)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.200", True),
        ("10.0.0.1", "10.0.1.1", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::9", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_networks_are_a_24_and_a_64(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) == same


def test_the_longest_silent_of_the_largest_network_gives_way() -> None:
    door = Door(total=20, per_source=20, per_network=20)
    many, few = door.fill("10.0.0.", 16), door.fill("10.0.1.", 4)
    many[0].silent_since = door.clock.now  # it has just said something
    assert isinstance(door.come("10.0.2.1"), Holder)
    assert [x.is_open for x in many[:3]] == [True, False, False]
    assert all(x.is_open for x in few)
    assert door.admission.gave_way > 0


def test_a_busy_network_gives_way_however_much_it_says() -> None:
    door = Door(total=20, per_source=20, per_network=20)
    for holder in door.fill("10.0.0.", 20):
        holder.silent_since = door.clock.now + 10
    door.clock.now += 10
    assert isinstance(door.come("10.0.2.1"), Holder)


def test_between_equals_only_the_silent_give_way() -> None:
    door = Door(total=4, per_source=20, per_network=20)
    first = [door.fill(f"10.0.{n}.", 1)[0] for n in range(4)]
    assert door.come("10.0.9.1") == "full"
    door.clock.now += 1.5
    assert isinstance(door.come("10.0.9.1"), Holder)
    assert [x.is_open for x in first] == [False, True, True, True]


def test_large_networks_do_not_drive_out_the_quiet_clients_of_small_ones() -> None:
    door = Door(total=20, per_source=20, per_network=20)
    quiet = [door.fill(f"10.7.{n}.", 1)[0] for n in range(4)]
    door.clock.now += 60
    crowd = [door.fill(f"10.0.{n}.", 4) for n in range(4)]
    for _ in range(20):
        door.come("10.0.1.200")
        door.clock.now += 2
    assert all(holder.is_open for holder in quiet)
    assert not all(holder.is_open for each in crowd for holder in each)


def test_where_the_largest_network_has_signed_in_strangers_of_others_give_way() -> None:
    door = Door(total=8, per_source=20, per_network=20)
    for holder in door.fill("10.0.0.", 5):
        holder.is_proven = True
    crowd = door.fill("10.0.1.", 3)
    door.clock.now += 2
    assert isinstance(door.come("10.0.9.1"), Holder)
    assert not all(holder.is_open for holder in crowd)


def test_who_looks_in_vain_does_not_look_at_everybody_again_at_once() -> None:
    """Nor is anybody else refused for it, who has a larger choice."""
    door = Door(total=8, per_source=20, per_network=20)
    looked_at = 0

    class Talking(Holder):
        @property
        def is_proven(self) -> bool:
            nonlocal looked_at
            looked_at += 1
            return False

        @is_proven.setter
        def is_proven(self, value: bool) -> None:
            pass

    for n in range(8):
        place = door.admission.take(f"10.0.{n % 2}.{n + 1}")
        assert isinstance(place, Place)
        place.holder = Talking(door.admission, place, door.clock.now)
    for _ in range(50):
        assert door.come("10.0.1.200") == "full"
    assert looked_at <= 8
    assert isinstance(door.come("10.0.9.1"), Holder)


def test_who_has_signed_in_does_not_give_way() -> None:
    door = Door(total=4, per_source=20, per_network=20)
    for holder in door.fill("10.0.0.", 4):
        holder.is_proven = True
    door.clock.now += 100
    assert door.come("10.0.9.1") == "full"


def test_friends_take_nobodys_place() -> None:
    door = Door(total=2, trusted=[ip_network("10.9.0.0/16")])
    door.admission.known = frozenset({"10.8.0.1"})
    door.fill("10.0.0.", 2)
    assert isinstance(door.come("10.9.0.1"), Holder)
    assert isinstance(door.come("10.8.0.1"), Holder)
    assert door.admission.total == 2
    door.admission.known = frozenset()
    assert not door.admission.is_friend("10.8.0.1")


def test_a_known_peer_gives_its_place_back_and_keeps_its_connection() -> None:
    door = Door(total=2)
    peer = door.fill("10.0.0.", 1)[0]
    door.admission.befriend(peer.place)
    door.admission.befriend(peer.place)
    assert door.admission.total == 0
    door.admission.give_back(peer.place)
    assert door.admission.total == 0


def test_a_flood_leaves_nothing_behind() -> None:
    door = Door(total=64, per_source=8, per_network=32)
    holders = []
    for n in range(5_000):
        found = door.come(f"10.{n % 7}.{n % 11}.{n % 250 + 1}")
        if isinstance(found, Holder):
            holders.append(found)
    for holder in holders:
        door.admission.give_back(holder.place)
    assert door.admission.total == 0
    assert not door.admission._by_network and not door.admission._by_source
