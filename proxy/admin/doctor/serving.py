"""The doctor's first look: does the service run, and is it this one?

It asks the running process, over its admin listener, for the store and the
configuration that it serves, and for the version of the table that it routes by.
"""

from pathlib import Path
from typing import Any

from proxy.admin.doctor.verdicts import Step
from proxy.admin.listener import client
from proxy.config import Config
from proxy.config.digest import digest_of
from proxy.facts.model import Verdict


def service_step(config: Config, version: int) -> Step:
    """Whether a service serves this store, with this configuration.

    ``version`` is that of the table in the store.
    """
    if config.admin.address is None:
        return _step(
            "unknown",
            "[admin] listen is empty, so whether it runs cannot be seen",
            'write listen = "127.0.0.1:8060" in [admin] and restart it',
        )
    try:
        found = client.call_json(config, "GET", "/status")
    except (client.AdminError, ValueError) as error:
        return _step("failed", str(error), start_command(config))
    return _judge(config, version, found)


def start_command(config: Config) -> str:
    """How a service of this configuration is started."""
    path = config.path.absolute()
    return f"start it: systemctl start waypost, or waypost --config {path} serve"


def _judge(config: Config, version: int, found: dict[str, Any]) -> Step:
    place, path = config.effective()["store"]["url"], config.path.absolute()
    restart = "restart it, or name its configuration with --config"
    its_store, its_table = found.get("store_url"), found.get("table_version")
    if its_store is None or its_table is None or "config" not in found:
        text = "it does not say which store and configuration it serves"
        return _step("unknown", text, "restart it: it is of an older version")
    if its_store != place:
        text = f"it serves {its_store}, and this configuration has {place}"
        return _step("failed", text, restart)
    if found.get("phase") != "ready":
        text = f"it is {found.get('phase')}"
        if found.get("waits_for"):
            text += f" and waits: {found['waits_for']}"
        return _step("failed", text, '"waypost status" says more')
    if its_table < version:
        text = f"it routes by table {its_table}, the store has {version}"
        return _step("failed", text, '"waypost status" says whether it follows')
    if Path(found["config"]) != path:
        text = f"it serves this store, but reads {found['config']}, and this is {path}"
        return _step("warning", text, restart)
    return _doubts(config, found) or _step(
        "ok", "it is ready, and serves this store and configuration"
    )


def _doubts(config: Config, found: dict[str, Any]) -> Step | None:
    """It serves, but not quite as it should."""
    if down := found.get("down"):
        text = f"parts of it are down: {', '.join(sorted(down))}"
        return _step("warning", text, '"waypost status" and its log say why')
    if (store := found.get("store", "ok")) != "ok":
        return _step("warning", f"its store {store}", '"waypost status" says more')
    if keys := found.get("needs_restart"):
        text = f"it does not use yet what the file says of {', '.join(keys)}"
        return _step("warning", text, "systemctl restart waypost")
    digest = digest_of(config.effective())
    if found.get("config_digest", digest) != digest:
        text = "it has not read the file as it is now, or has another environment"
        fix = "systemctl reload waypost, and the log says what was taken over"
        return _step("warning", text, fix)
    return None


def _step(verdict: Verdict, text: str, fix: str = "") -> Step:
    return Step("waypost", "service", verdict, text, fix)
