"""A wall clock that is set while the service runs: the real one, under libfaketime.

The clocks that nobody can set stay as they are, as where a machine's time is corrected.
"""

import time
from glob import glob

import pytest

from tests.support.until import comes_true, told
from tests.support.warm import waypost
from tests.wire.test_registrar import DOMAIN, Client, World

LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"
PLAN = """
name = "weekend"
confirm_within = {minutes}
[[change]]
sip_address = "sip:chat@contoso.test"
pool_fqdn = "new.contoso.test"
no_live_binding = false
"""


class FakeClock:
    """The wall clock of every child that is started from now on."""

    def __init__(self, path):
        self._path = path
        self.set(0)

    def set(self, seconds):
        """So many seconds from the real time."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(self._path)


@pytest.fixture
def clock(tmp_path, monkeypatch):
    found = glob(LIBRARY)
    assert found, "make packages installs faketime"
    made = FakeClock(tmp_path / "clock")
    for name, value in {
        "LD_PRELOAD": found[0],
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return made


def lines_of(world, event):
    return told(world.service.log, event)


async def noticed(world, count):
    await comes_true(lambda: len(lines_of(world, "clock.set")) >= count)


async def bound(world):
    return [each["aor"] for each in await world.run("binding", "list")]


async def test_a_clock_that_was_wrong_at_the_start_is_put_right(tmp_path, clock):
    clock.set(-7200)
    world = World(tmp_path)
    await world.start()
    try:
        clock.set(0)
        await noticed(world, 1)
        with Client(world) as client:
            assert "200 OK" in client.register(f"sip:alice@{DOMAIN}")
            assert await bound(world) == [f"alice@{DOMAIN}"]

        await comes_true(lambda: lines_of(world, "request.finished"))
        said = lines_of(world, "request.finished")[-1]["timestamp"]
        assert said[:13] == time.strftime("%Y-%m-%dT%H", time.gmtime())
    finally:
        await world.service.stop()


async def test_a_jump_ends_no_registration_in_memory_or_store(tmp_path, clock):
    world = World(tmp_path)
    await world.start()
    try:
        with Client(world) as client:
            short = ("Expires: 600",)
            assert "200 OK" in client.register(f"sip:alice@{DOMAIN}", lines=short)
            clock.set(7200)
            await noticed(world, 1)

            async def is_kept() -> bool:
                return await bound(world) == [f"alice@{DOMAIN}"]

            await comes_true(is_kept)  # once the store has been told
            await world.restart()
            client.request(f"MESSAGE sip:alice@{DOMAIN}", f"sip:alice@{DOMAIN}")
            assert client.read().startswith(f"MESSAGE sip:{client.me}")
    finally:
        await world.service.stop()


async def test_a_jump_rolls_no_cutover_back_and_delays_none(tmp_path, clock):
    world = World(tmp_path)
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.format(minutes=0.15))
    await world.start()
    try:
        new = ("endpoint", "new", "--sip-address", "sip:chat@contoso.test")
        await world.run(*new, "--pool-fqdn", "old.contoso.test")
        began = time.monotonic()
        await world.run("cutover", "apply", str(plan), "--force")
        clock.set(7200)
        await noticed(world, 1)
        status = await waypost(world.config, "cutover", "status")
        assert status["state"] == "applied"
        assert 0 < status["seconds_left"] <= 9
        clock.set(-7200)
        await comes_true(lambda: lines_of(world, "cutover.rolled_back"), 25)
        assert time.monotonic() - began > 8.5
    finally:
        await world.service.stop()
