"""A console in this process, on a port of its own, and somebody who calls it."""

import asyncio
import ssl
import threading
from contextlib import contextmanager
from dataclasses import replace

import httpx
import structlog

from proxy.admin.access import tokens
from proxy.admin.control import Operator, rules_of
from proxy.config import load_config
from proxy.console.serve import console
from proxy.store import Actor, open_store
from tests.support.ports import free_port

TEXT = """
[proxy]
domains = ["contoso.test", "contoso.com"]
advertised_host = "proxy.contoso.test"
[[listen]]
transport = "udp"
address = "127.0.0.5:5060"
[store]
url = "sqlite:///waypost.db"
[dns]
nameservers = ["127.0.0.1:5353"]
[admin]
listen = "127.0.0.1:8061"
[console]
listen = "127.0.0.1:PORT"
"""
# Every client would read the authorities of the world anew, for a console without TLS.
NOTHING_TO_VERIFY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PASSWORD = "correct horse battery"


def write_config(folder, text=TEXT):
    path = folder / "waypost.toml"
    path.write_text(text.replace("PORT", str(free_port())))
    return path


@contextmanager
def running_console(path, as_path=None, **more):
    """A console that runs in a thread of its own meanwhile.

    ``as_path`` is the file that its configuration shall name.
    """
    ready, end, found = threading.Event(), threading.Event(), {}

    async def serve():
        config = replace(load_config(path), path=as_path or path)
        async with console(config, **more) as running:
            found["console"] = running
            ready.set()
            await asyncio.to_thread(end.wait)

    def run():
        try:
            asyncio.run(serve())
        except BaseException as error:
            found["error"] = error
        ready.set()

    # Its log lines belong to a process of its own; here they would be output, from a
    # thread that does not know when a test's output is taken away.
    logs = structlog.get_config()
    structlog.configure(processors=[_silent], cache_logger_on_first_use=False)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert ready.wait(30), "the console did not come up"
        if "error" in found:
            raise found["error"]
        yield found["console"]
    finally:
        end.set()
        thread.join(30)
        structlog.configure(**logs)


def _silent(logger, method, event):
    raise structlog.DropEvent


def in_store(path, work):
    """Do something to the store of a configuration, as a person at the machine."""
    config = load_config(path)

    async def run():
        store = await open_store(config.store_url)
        try:
            actor = Actor("anna", "cli on box")
            return await work(Operator(store, rules_of(config), actor))
        finally:
            await store.close()

    return asyncio.run(run())


def new_token(path, role="admin", name=None, **more):
    made = in_store(
        path, lambda op: tokens.new_token(op, name or f"the-{role}", role, **more)
    )
    return made.token


def caller(url, token="", **more):
    """Somebody who shows a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    more.setdefault("verify", NOTHING_TO_VERIFY)
    return httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=20, **more)
