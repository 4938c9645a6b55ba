"""The doctor's first look: does the service run, and is it this one?

It asks the running process, over its admin listener, for the store and the
configuration that it serves, and for the version of the table that it routes by.
"""

from pathlib import Path
from typing import Any

from proxy.admin.doctor.doctor import Step, Verdict
from proxy.admin.listener import client
from proxy.config import Config


def service_step(config: Config, version: int, is_plan: bool = False) -> Step:
    """Whether a service serves this store, with this configuration.

    ``version`` is that of the table in the store.  Before a cutover (``is_plan``) one
    that does not run is a warning only.
    """
    absent: Verdict = "warning" if is_plan else "failed"
    if config.admin.address is None:
        return _step(
            "warning",
            "[admin] listen is empty, so whether it runs cannot be seen",
            'write listen = "127.0.0.1:8060" in [admin] and restart it',
        )
    try:
        found = client.call_json(config, "GET", "/status")
    except client.AdminError as error:
        return _step(
            absent,
            str(error),
            "start it: systemctl start waypost, or waypost --config "
            f"{config.path.absolute()} serve",
        )
    return _judge(config, version, found)


def _judge(config: Config, version: int, found: dict[str, Any]) -> Step:
    place, path = config.effective()["store"]["url"], config.path.absolute()
    restart = "restart it, or name its configuration with --config"
    if found.get("store_url", place) != place:
        text = f"it serves {found['store_url']}, and this configuration has {place}"
        return _step("failed", text, restart)
    if found.get("phase") != "ready":
        text = f"it is {found.get('phase')}"
        if found.get("waits_for"):
            text += f" and waits: {found['waits_for']}"
        return _step("failed", text, '"waypost status" says more')
    if found.get("table_version", version) < version:
        text = f"it routes by table {found['table_version']}, the store has {version}"
        return _step("failed", text, '"waypost status" says whether it follows')
    its = Path(found.get("config", path))
    if its != path:
        text = f"it serves this store, but reads {its}, and this is {path}"
        return _step("warning", text, restart)
    return _step("ok", "it is ready, and serves this store and configuration")


def _step(verdict: Verdict, text: str, fix: str = "") -> Step:
    return Step("waypost", "service", verdict, text, fix)
