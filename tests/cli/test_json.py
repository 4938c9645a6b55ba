"""Every verb, asked with --json beside a running service, keeps to docs/json.md."""

import asyncio
import io
import json
import sys
from datetime import UTC, datetime

from proxy.cli.main import main
from proxy.console.schemas.verbs import VERBS
from tests.facts.world import right_a
from tests.support.shapes import judge, verb_of
from tests.support.stage import stage

ALIAS, POOL = "ocschat@contoso.test", "pcpool.contoso.test"
PLAN = f"""
[[change]]
sip_address = "{ALIAS}"
pool_fqdn = "other.contoso.test"
"""
LATER = ("lab",)
"""Takes seconds: tests/cli/test_installation.py."""


class Typed:
    """Runs lines in a thread of their own; judges what each printed."""

    def __init__(self, config, capsys, monkeypatch):
        self.config, self.capsys, self.monkeypatch = str(config), capsys, monkeypatch
        self.seen = set()

    async def __call__(self, *words, codes=(0,)):
        line = ("--json", "--config", self.config, *words)
        code = await asyncio.to_thread(main, line)
        out, err = self.capsys.readouterr()
        assert code in codes, (words, code, err)
        judge(line, out, err)
        assert out.strip(), (words, err)
        self.seen.add(verb_of(line))
        return json.loads(out)

    async def with_password(self, *words):
        pipe = io.TextIOWrapper(io.BytesIO(b"a long secret word\n"))
        self.monkeypatch.setattr(sys, "stdin", pipe)
        return await self(*words, "--password-stdin")


async def _table(say, folder):
    await say("endpoint", "get")
    await say("endpoint", "list")
    new = ("endpoint", "new", "--sip-address", "b@contoso.test", "--pool-fqdn", POOL)
    await say(*new, "--what-if")
    await say(*new)
    await say("endpoint", "set", "b@contoso.test", "--display-name", "B")
    await say("endpoint", "retire", "b@contoso.test")
    await say("endpoint", "activate", "b@contoso.test")
    made = await say("endpoint", "history")
    last = max(made, key=lambda line: line["number"])
    await say("endpoint", "undo", str(last["number"]))
    await say("endpoint", "remove", "b@contoso.test")
    assert last["at"].count(":") >= 3, "the zone is part of an instant"
    file = folder / "import.csv"
    file.write_text(f"SipAddress,PersistentChatPoolFqdn\nc@contoso.test,{POOL}\n")
    await say("endpoint", "import", str(file))
    await say("pool", "set", POOL, "--transport", "udp")
    await say("pool", "list")
    await say("pool", "show", POOL)
    await say("pool", "drain", "fe2.contoso.test", "--force")
    await say("pool", "undrain", "fe2.contoso.test")


async def _people(say):
    await say.with_password("user", "new", "alice@contoso.test")
    await say.with_password("user", "set", "alice@contoso.test")
    await say("user", "list")
    await say("user", "remove", "alice@contoso.test")
    await say("token", "new", "desk", "--role", "viewer")
    await say("token", "list")
    await say("token", "revoke", "desk")
    await say.with_password("person", "new", "bob", "--role", "admin")
    await say("person", "set", "bob", "--role", "viewer")
    await say("person", "list")
    await say("person", "remove", "bob")


async def _weekend(say, folder):
    plan, facts = folder / "plan.toml", folder / "facts.json"
    plan.write_text(PLAN)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts.write_text(json.dumps(right_a() | {"time": now}))
    await say("doctor", codes=(0, 1, 5))
    await say("facts", "show", str(facts))
    say.monkeypatch.setenv("WAYPOST_PROXY_ADVERTISED_HOST", "proxy.contoso.test")
    await say("facts", "check", str(facts), codes=(0, 1, 5))
    await say("cutover", "plan", str(plan), codes=(0, 1))
    await say("cutover", "status")
    await say("cutover", "apply", str(plan), "--force", "--confirm-within", "30")
    await say("cutover", "status")
    await say("cutover", "rollback")
    await say("cutover", "apply", "--again", "--force", "--confirm-within", "30")
    await say("cutover", "confirm")
    await say("runbook", "--plan", str(plan), codes=(0, 1, 5))
    await say("runbook", "--report")
    await say("explain", f"sip:{ALIAS}")
    await say("explain", f"sip:{ALIAS}", "--plan", str(plan))


async def _service(say, world):
    world.caller.say("INVITE", "call-1")
    await world.caller.answer("call-1")
    world.caller.hang_up("call-1")
    await world.caller.answer("call-1", "BYE")
    world.caller.say("INVITE", "call-2", uri="sip:nobody@contoso.test")
    await world.caller.answer("call-2")
    async with asyncio.timeout(20):
        while len(await say("calls")) < 2:
            await asyncio.sleep(0.05)
    await say("trace", "--failed")
    await say("trace", "--from", "alice", "--for", "10s")
    await say("usage")
    await say("usage", "forget", "alice@contoso.test")
    await say("binding", "list")
    await say("status")
    await say("status", "--ready")


async def test_every_verb_prints_its_shape(tmp_path, capsys, monkeypatch):
    async with stage(tmp_path) as world:
        say = Typed(world.config, capsys, monkeypatch)
        await say("config", "check")
        await say("config", "show")
        await _table(say, tmp_path)
        await _people(say)
        await _service(say, world)
        await _weekend(say, tmp_path)
        await say("cutover", "list")
        await say("store", "check", codes=(0, 1))
        backup = str(tmp_path / "backup.db")
        await say("store", "backup", backup)
        await say("drain")
        here, there = (tmp_path / name for name in ("waypost.db", "copy.db"))
        await say("store", "migrate", f"sqlite:///{here}", f"sqlite:///{there}")
        monkeypatch.setenv("WAYPOST_STORE_URL", f"sqlite:///{there}")
        await say("store", "restore", backup, "--force")
        monkeypatch.delenv("WAYPOST_STORE_URL")
    say.config = str(tmp_path / "first" / "waypost.toml")
    first = ("--domain", "contoso.com", "--pool", "p.contoso.com")
    await say("init", *first, "--address", "chat@contoso.com")
    assert not VERBS.keys() - say.seen - {*LATER, "binding remove"}
