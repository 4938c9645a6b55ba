"""The guard of a cutover on real sockets: a new pool that fails, and back again."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.journey.legacy_client import ClientError, LegacyClient
from proxy.lab.front_end import Behaviour, FrontEndServer
from proxy.lab.service import Service, ServiceError
from tests.support.broken_channels import HangingChannel
from tests.support.ports import free_address
from tests.support.redis import RedisServer
from tests.support.two_pools import NEW, OLD, TwoPools, follows, two_pools
from tests.support.until import comes_true
from tests.support.warm import waypost

ALIAS = "sip:ocschat@contoso.test"
OLD_HOST, NEW_HOST = "127.0.0.28", "127.0.0.29"
BACK_WITHIN = 5.0
"""Seconds from the limit being passed to the old table."""
LEAST = 6
EXTRA = """
[attempts]
connect = 0.5
silence = 0.5
first_answer = 1.0
total = 1.5
[server]
workers = {workers}
"""
PLAN = f"""
name = "guarded"
[[change]]
sip_address = "{ALIAS}"
pool_fqdn = "{NEW}"
expect_pool = "{OLD}"
"""
PATIENCE = 30.0
CLEAN = float(os.environ.get("WAYPOST_SOAK_GUARD", "0"))
"""Seconds of load without a fault, an hour in `make soak`."""


class SilentChannel(FrontEndServer):
    """It looks up well; whoever calls the channel hears nothing, not even 100."""

    is_deaf = False

    async def _serve(self, link, request, sent):
        if self.is_deaf and request.method == "INVITE" and "GC-" in request.uri:
            return
        await super()._serve(link, request, sent)


def fails_with(mode: str, status: int = 500) -> Callable[[SilentChannel], None]:
    def change(front_end: SilentChannel) -> None:
        front_end.behaviour = Behaviour(mode, status)

    return change


def goes_deaf(front_end: SilentChannel) -> None:
    front_end.is_deaf = True


class Guarded:
    """The scene, and what people do in it."""

    def __init__(self, scene: TwoPools, old: FrontEndServer, new: FrontEndServer):
        self.scene, self.old, self.new = scene, old, new
        self.proxy = scene.proxy
        self.plan = scene.config.with_name("plan.toml")
        self.plan.write_text(PLAN)
        self.config = scene.config

    async def type(self, *words: str) -> Any:
        """One command; its JSON."""
        return await waypost(self.config, *words)

    async def arm(self, *more: str) -> None:
        words = ("cutover", "apply", str(self.plan), "--guard", "5 %")
        applied = await self.type(*words, "--min", str(LEAST), *more)
        assert applied["in_force"] is True

    async def call(self, number: int, uri: str = ALIAS) -> int:
        """One INVITE of one of many users; its final status, 0 for none."""
        return await self.call_of(f"user{number}@contoso.test", uri)

    async def call_of(self, user: str, uri: str = ALIAS) -> int:
        client = LegacyClient(self.proxy, user=f"sip:{user}", timeout=8.0)
        try:
            await client.connect()
            dialog, answer = await client.call(uri)
            if answer.status == 200:
                await client.hang_up(dialog)
            return answer.status
        except (ClientError, OSError, TimeoutError):
            return 0
        finally:
            await client.close()

    async def calls(self, count: int, uri: str = ALIAS) -> list[int]:
        return list(await asyncio.gather(*(self.call(n, uri) for n in range(count))))

    async def is_back(self) -> float:
        """Call until the old pool answers; when that was."""
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = len(self.old.requests("INVITE"))
                is_served = await self.call(99) == 200
                if is_served and len(self.old.requests("INVITE")) > seen:
                    return time.monotonic()
                await asyncio.sleep(0.05)

    async def status(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.type("cutover", "status")
        return found

    async def shows(self, reason: str) -> bool:
        """Whether the running service says why it has rolled back."""
        guard = (await self.type("status"))["guard"]
        return bool(guard and guard["rolled_back"] == reason)

    async def answers(self) -> bool:
        """Whether the service can be asked."""
        try:
            await self.type("status")
        except ServiceError:
            return False
        return True

    async def has_counted(self, calls: int) -> None:
        """Wait until the store knows of so many calls."""

        async def are_counted() -> bool:
            guard: dict[str, Any] = (await self.status())["guard"]
            return bool(guard["calls"] >= calls)

        await comes_true(are_counted)

    def log(self) -> str:
        return self.scene.service.log.read_text()


@asynccontextmanager
async def guarded(
    directory: Path,
    new: FrontEndServer | None = None,
    *,
    workers: int = 1,
    extra: str = "",
) -> AsyncIterator[Guarded]:
    old = FrontEndServer("old", OLD_HOST)
    new = new or SilentChannel("new", NEW_HOST)
    new.channel_uri = "sip:GC-2-PersistentChatService-1@contoso.test"
    async with AsyncExitStack() as stack:
        for front_end in (old, new):
            await front_end.start()
            stack.push_async_callback(front_end.stop)
        addresses = [(each.host, each.port) for each in (old, new)]
        text = EXTRA.format(workers=workers) + extra
        opened = two_pools(directory, *addresses, text)
        it = Guarded(await stack.enter_async_context(opened), old, new)
        words = ("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", OLD)
        await it.type(*words, "--service-uri", "sip:GC-*@contoso.test")
        await it.is_back()
        yield it


@pytest.mark.parametrize(
    ("turn_bad", "uri", "cause"),
    [
        (fails_with("answer", 500), ALIAS, "500"),
        (fails_with("silent"), ALIAS, "timeout"),
        (goes_deaf, "sip:GC-2-PersistentChatService-1@contoso.test", "timeout"),
    ],
    ids=["answers-500", "is-silent", "channel-hangs"],
)
async def test_the_old_table_is_back_within_five_seconds(
    tmp_path: Path, turn_bad, uri: str, cause: str, capsys
) -> None:
    async with guarded(tmp_path) as it:
        await it.arm("--for", "10m")
        before = await it.status()
        assert (before["guard"]["state"], before["guard"]["calls"]) == ("armed", 0)
        assert 590 < before["guard"]["seconds_left"] <= 600
        assert await it.calls(2) == [200, 200]
        turn_bad(it.new)
        failed = await it.calls(LEAST, uri)
        passed = time.monotonic()
        assert set(failed) <= {500, 504}
        took = await it.is_back() - passed
        with capsys.disabled():
            print(f"\nback {took:.2f} s after the limit was passed ({cause})")
        assert took < BACK_WITHIN
        found = await it.status()
        assert (found["state"], found["guard"]["state"]) == (
            "rolled-back",
            "rolled back",
        )
        assert found["settled_by"] == "waypost (guard)"
        assert f"{cause} (" in found["reason"] and "the limit is 5 %" in found["reason"]
        assert '"event": "cutover.rolled_back"' in it.log()
        # The service shows it when it has looked at the table once more.
        await comes_true(lambda: it.shows(found["reason"]))
        history = await it.type("endpoint", "history")
        assert any(row["verb"] == "cutover.rollback" for row in history)
        # The plan is kept: once the pool is mended, another try.
        it.new.behaviour, it.new.is_deaf = Behaviour(), False
        again = await it.type("cutover", "apply", "--again")
        assert again["cutover"]["guard"]["least"] == LEAST
        assert (await it.status())["guard"]["state"] == "armed"


async def test_in_dialog_failures_count_as_well(tmp_path: Path) -> None:
    """The pool answers INVITEs and forgets its dialogs."""
    async with guarded(tmp_path) as it:
        await it.arm()
        clients = [
            LegacyClient(it.proxy, user=f"sip:u{n}@contoso.test", timeout=4.0)
            for n in range(LEAST)
        ]
        dialogs = []
        for client in clients:
            await client.connect()
            dialog, answer = await client.call(ALIAS)
            assert answer.status == 200
            dialogs.append(dialog)
        it.new.dialogs.clear()
        for client, dialog in zip(clients, dialogs, strict=True):
            answer = await client.request(client.info(dialog, b"x"))
            assert answer.status == 481
        passed = time.monotonic()
        assert await it.is_back() - passed < BACK_WITHIN
        assert "in-dialog 481" in (await it.status())["reason"]
        for client in clients:
            await client.close()


async def test_it_survives_kill_9_and_the_death_of_a_worker(tmp_path: Path) -> None:
    async with guarded(tmp_path, workers=2) as it:
        await it.arm()
        fails_with("answer", 500)(it.new)
        assert await it.calls(3) == [500] * 3
        await it.has_counted(3)  # in the store, and not only in a worker
        os.kill(it.scene.service.pid, signal.SIGKILL)
        await it.scene.service.wait()
        await it.scene.service.start(it.proxy)
        found = await it.status()
        assert (found["state"], found["guard"]["state"]) == ("applied", "armed")
        assert found["guard"]["calls"] == 3, "what was counted before is not lost"
        await comes_true(it.answers)  # its admin listener is there after the others
        victim = (await it.type("status"))["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)

        async def is_replaced() -> bool:
            workers = [x["pid"] for x in (await it.type("status"))["workers"]]
            return len(workers) == 2 and victim not in workers

        await comes_true(is_replaced)
        with contextlib.suppress(AssertionError):
            await it.calls(LEAST)
        passed = time.monotonic()
        took = await it.is_back() - passed
        assert took < BACK_WITHIN


async def test_on_redis_another_node_does_it_than_the_one_that_armed_it(
    tmp_path: Path,
) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    try:
        async with guarded(tmp_path) as it:
            text = it.config.read_text()
            store = f'url = "sqlite:///{tmp_path / "waypost.db"}"'
            assert store in text
            services = []
            for host in ("127.0.0.18", "127.0.0.19"):
                folder = tmp_path / host
                folder.mkdir()
                sip, admin = free_address(host), free_address(host)
                here = text.replace(store, f'url = "{redis.url}"')
                here = here.replace("{}:{}".format(*it.proxy), "{}:{}".format(*sip))
                here = here.replace(_admin(text), "{}:{}".format(*admin))
                config = folder / "waypost.toml"
                config.write_text(here)
                service = Service(config, folder / "log")
                await service.start(sip)
                services.append((service, config, sip))
            (first, one, _), (second, two, there) = services
            try:
                it.config, it.proxy = one, there
                words = ("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", OLD)
                await it.type(*words)
                await it.arm()
                os.kill(first.pid, signal.SIGKILL)
                it.config = two
                await follows(two, second)
                fails_with("answer", 500)(it.new)
                await it.calls(LEAST)
                passed = time.monotonic()
                assert await it.is_back() - passed < BACK_WITHIN
                assert "cutover.rolled_back" in second.log.read_text()
            finally:
                for service, _, _ in services:
                    await service.stop()
    finally:
        redis.kill()


def _admin(text: str) -> str:
    return text.partition("[admin]")[2].partition('listen = "')[2].partition('"')[0]


async def test_with_probe_nobody_has_to_call(tmp_path: Path) -> None:
    """The new pool looks up well and hangs at the channel: no user has seen it yet."""
    new = SilentChannel("new", NEW_HOST)
    async with guarded(tmp_path, new) as it:
        await it.arm("--probe", "--min", "50")
        await new.wait_for("INVITE", 2, timeout=PATIENCE)
        assert (await it.status())["state"] == "applied"
        fails_with("answer", 500)(new)
        async with asyncio.timeout(PATIENCE):
            while (await it.status())["state"] != "rolled-back":
                await asyncio.sleep(0.1)
        assert "no front end of newpool.contoso.test" in (await it.status())["reason"]


async def test_probes_of_a_pool_without_a_front_end_know_nothing(
    tmp_path: Path,
) -> None:
    """DNS does not know the new pool: no round of probes finds anything to try."""
    async with guarded(tmp_path) as it:
        it.plan.write_text(PLAN.replace(NEW, "nowhere.contoso.test"))
        await it.arm("--probe", "--force")
        async with asyncio.timeout(PATIENCE):
            while not (guard := (await it.status())["guard"])["probe_rounds"]:
                await asyncio.sleep(0.1)
        rounds = guard["probe_rounds"]["nowhere.contoso.test"]
        assert rounds["tried"] == 0 and rounds["nothing_to_try"] >= 1
        assert (guard["state"], guard["calls"]) == ("armed", 0)


async def test_a_channel_that_never_joins_is_found_by_probes_alone(
    tmp_path: Path,
) -> None:
    """Every SIP request is answered 200; only the reply to bjoin never comes."""
    async with guarded(tmp_path, HangingChannel("new", NEW_HOST)) as it:
        await it.arm("--probe")
        assert await it.calls(3) == [200] * 3
        async with asyncio.timeout(PATIENCE):
            while (await it.status())["state"] != "rolled-back":
                await asyncio.sleep(0.2)
        assert "rpl-bjoin" in (await it.status())["reason"]


async def test_load_on_a_good_pool_is_no_reason(tmp_path: Path) -> None:
    async with guarded(tmp_path) as it:
        await it.arm("--probe", "--for", "2h")
        rounds, end = 0, time.monotonic() + CLEAN
        while rounds < 10 or time.monotonic() < end:
            assert set(await it.calls(20)) == {200}
            rounds += 1
            it.new.seen.clear()
        await it.has_counted(20 * rounds)
        guard = (await it.status())["guard"]
        assert (guard["state"], guard["failed"], guard["refused"]) == ("armed", 0, 0)
        await it.type("cutover", "confirm")
        assert (await it.status())["guard"]["state"] == "disarmed"


async def test_what_was_edited_since_is_named_and_not_lost(tmp_path: Path) -> None:
    async with guarded(tmp_path) as it:
        await it.arm()
        words = ("endpoint", "set", "ocschat@contoso.test", "--display-name", "Chat")
        await it.type(*words)
        fails_with("answer", 500)(it.new)
        await it.calls(LEAST)
        await it.is_back()
        (row,) = await it.type("endpoint", "get")
        assert (row["pool_fqdn"], row["display_name"]) == (OLD, "Chat")
        assert (
            f"edited since, and only led back: {ALIAS}" in (await it.status())["reason"]
        )
