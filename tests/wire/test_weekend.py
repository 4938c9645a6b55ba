"""The whole migration weekend on the wire: check, switch, watch, undo.

An old Lookup service registered as the well-known user, a new pool, and a legacy
client that nobody touches.  Everything else is what an operator types.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy import clock
from proxy.config import load_config
from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.front_end import FrontEndServer
from proxy.lab.old_lookup import OldLookup
from proxy.lab.service import ServiceError
from proxy.store.factory import sqlite_path
from tests.support.two_pools import NEW, OLD, TwoPools, two_pools
from tests.support.until import comes_true
from tests.support.warm import waypost

ALIAS = "sip:ocschat@contoso.test"
ALICE = "sip:alice@contoso.test"
OLD_HOST, NEW_HOST = "127.0.0.28", "127.0.0.29"
REGISTRAR = f'\n[registrar]\nenabled = true\ntrusted_networks = ["{OLD_HOST}/32"]\n'
PLAN = f"""
name = "the weekend"
confirm_within = 30
[[change]]
sip_address = "{ALIAS}"
pool_fqdn = "{NEW}"
create = true
expect_pool = ""
"""


class Weekend:
    """The scene, and what people do in it."""

    def __init__(self, scene: TwoPools, old: FrontEndServer, new: FrontEndServer):
        self.scene, self.old, self.new = scene, old, new
        self.lookup = OldLookup(old, scene.proxy, ALIAS)
        self.plan = scene.config.with_name("weekend.toml")
        self.plan.write_text(PLAN)

    async def type(self, *words: str) -> Any:
        """One command; its JSON."""
        return await waypost(self.scene.config, *words)

    async def refused(self, *words: str) -> str:
        """One command that must be refused; why."""
        with pytest.raises(ServiceError) as refusal:
            await self.type(*words)
        return str(refusal.value)

    async def chat(self) -> Journey:
        """The same client as ever: same user, same settings, nothing changed."""
        journey = Journey(LegacyClient(self.scene.proxy, user=ALICE), ALIAS)
        await journey.play()
        return journey

    async def knows_a_conflict(self) -> bool:
        (endpoint,) = await self.type("endpoint", "get", ALIAS)
        return bool(endpoint["conflicts"])

    async def has_counted_two(self) -> bool:
        """Users' calls are in the ledger."""
        (used,) = await self.type("usage", ALIAS)
        return sum(each["count"] for each in used["clients"]) >= 2

    async def reaches(self, front_end: FrontEndServer, within: float = 10.0) -> None:
        """The client's whole journey arrives there; a change counts within 1 s."""
        end = asyncio.get_running_loop().time() + within
        while True:
            seen = _calls_of_alice(front_end)
            journey = await self.chat()
            arrived = _calls_of_alice(front_end) - seen
            if journey.ok and arrived == 2:
                return
            text = "\n".join(map(str, journey.steps))
            assert asyncio.get_running_loop().time() < end, text
            await asyncio.sleep(0.1)


def _calls_of_alice(front_end: FrontEndServer) -> int:
    """Chat probes may call as well."""
    return sum(ALICE in each.get("From") for each in front_end.requests("INVITE"))


@asynccontextmanager
async def weekend(directory: Path) -> AsyncIterator[Weekend]:
    old = FrontEndServer("old", OLD_HOST)
    new = FrontEndServer("new", NEW_HOST)
    new.channel_uri = "sip:GC-2-PersistentChatService-1@contoso.test"
    for front_end in (old, new):
        await front_end.start()
    addresses = [(each.host, each.port) for each in (old, new)]
    try:
        async with two_pools(directory, *addresses, REGISTRAR) as scene:
            yield Weekend(scene, old, new)
    finally:
        for front_end in (old, new):
            await front_end.stop()


async def test_the_weekend_from_friday_to_monday(tmp_path: Path) -> None:
    async with weekend(tmp_path) as it:
        # Friday: the old service is registered here, and clients reach it.
        assert await it.lookup.register() == 200
        await it.reaches(it.old)

        # Saturday: nothing may be created while it still runs.
        line = ("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", NEW)
        said = await it.refused(*line)
        assert f"udp:{OLD_HOST}:" in said and "GroupChat Lookup/3.5" in said
        assert "still registered" in await it.refused("cutover", "apply", str(it.plan))

        # It is stopped; plan, doctor and cutover.
        assert await it.lookup.sign_off() == 200
        planned = await it.type("cutover", "plan", str(it.plan))
        assert planned["what_if"] and len(planned["changes"]) == 1
        applied = await it.type("cutover", "apply", str(it.plan))
        assert {step["verdict"] for step in applied["doctor"]} == {"ok"}
        assert applied["in_force"] is True
        assert (await it.type("cutover", "status"))["seconds_left"] > 1700

        # The client, untouched, reaches the new pool.
        await it.reaches(it.new)
        lookup, channel = it.new.requests("INVITE")[-2:]
        assert lookup.uri == f"sip:ocschat@{NEW}" and lookup.get("To") == f"<{ALIAS}>"
        assert channel.uri == it.new.channel_uri
        examined = await it.type("doctor", ALIAS, "--journey")
        assert examined["verdict"] == "ok", examined
        played = [x for x in examined["steps"] if x["name"].startswith("journey")]
        assert [step["name"].removeprefix("journey ") for step in played] == [
            *("INVITE", "INFO requri", "BYE"),
            *("channel INVITE", "channel INFO bjoin", "channel BYE"),
        ] * 2, "over UDP and over TCP"
        assert {step["text"].split()[4] for step in played} == {"udp", "tcp"}

        # Sunday: somebody starts the old service again.  It is refused and told of.
        assert await it.lookup.register() == 403
        await comes_true(it.knows_a_conflict)
        (endpoint,) = await it.type("endpoint", "get", ALIAS)
        assert endpoint["conflicts"][0]["source"].startswith(f"udp:{OLD_HOST}")
        assert "still registers" in await it.refused("doctor", ALIAS)
        await it.reaches(it.new)

        # Monday: the ledger knows who came.
        await comes_true(it.has_counted_two)
        (used,) = await it.type("usage", ALIAS)
        (alice,) = used["clients"]
        assert alice["aor"] == "alice@contoso.test" and alice["count"] >= 2
        assert alice["user_agent"].startswith("UCCAPI/") and alice["epid"]

        # And back: one word, and the old way works again.
        back = await it.type("cutover", "rollback")
        assert back["cutover"]["state"] == "rolled-back" and back["in_force"]
        assert await it.lookup.register() == 200
        await it.reaches(it.old)


def move_deadline(config: Path, seconds: float) -> None:
    """Only so long from now until the newest cutover is rolled back."""
    path = sqlite_path(load_config(config).store_url)
    assert path is not None
    with sqlite3.connect(path) as db:
        db.execute(
            "UPDATE cutovers SET body = "
            # By the clock alone: no uptime of this machine stands for it.
            "json_set(body, '$.confirm_by', ?, '$.machine', '')",
            (clock.wall() + seconds,),
        )
    db.close()


async def test_nobody_confirms_and_the_server_rolls_back_by_itself(
    tmp_path: Path,
) -> None:
    async with weekend(tmp_path) as it:
        await it.type("cutover", "apply", str(it.plan), "--confirm-within", "30")
        await it.reaches(it.new)
        # A restart does not disarm it, and nobody types anything.
        await it.scene.service.stop()
        move_deadline(it.scene.config, 8.0)
        await it.scene.service.start(it.scene.proxy)
        assert await it.lookup.register() == 403

        async def is_rolled_back() -> bool:
            return await it.lookup.register() == 200

        await comes_true(is_rolled_back, 30)
        await it.reaches(it.old)
        assert (await it.type("cutover", "status"))["settled_by"] == (
            "waypost (automatic rollback)"
        )
        said = await it.refused("cutover", "confirm")
        assert "rolled back already" in said


async def test_what_was_overdue_while_nothing_ran_is_undone_before_serving(
    tmp_path: Path,
) -> None:
    async with weekend(tmp_path) as it:
        await it.type("cutover", "apply", str(it.plan), "--confirm-within", "0.01")
        await it.scene.service.stop()
        await asyncio.sleep(0.7)
        await it.scene.service.start(it.scene.proxy)
        assert await it.lookup.register() == 200, "no endpoint has the address"
        status = await it.type("cutover", "status")
        assert status["state"] == "rolled-back"


async def test_pilots_reach_the_new_pool_and_others_the_old(tmp_path: Path) -> None:
    async with weekend(tmp_path) as it:
        line = ("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", OLD)
        await it.type(*line)
        it.plan.write_text(
            f'[[change]]\nsip_address = "{ALIAS}"\npool_fqdn = "{NEW}"\n'
        )
        pilots = it.plan.with_name("pilots.txt")
        pilots.write_text(f"{ALICE}\n")
        await it.type("cutover", "apply", str(it.plan), "--pilots", str(pilots))
        await it.reaches(it.new)
        bob = LegacyClient(it.scene.proxy, user="sip:bob@contoso.test")
        seen = len(it.old.requests("INVITE"))
        assert (await Journey(bob, ALIAS).play())[1].ok
        assert len(it.old.requests("INVITE")) > seen
        await it.type("cutover", "apply", str(it.plan))
        await it.scene.follows()
        seen = len(it.new.requests("INVITE"))
        bob = LegacyClient(it.scene.proxy, user="sip:bob@contoso.test")
        await Journey(bob, ALIAS).play()
        assert len(it.new.requests("INVITE")) == seen + 2
