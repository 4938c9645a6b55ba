"""The dashboard: a real Prometheus has data for every query of it.

The service under it has TLS, a chat probe, callers, and a front end that refuses, so
that each panel has something to show.
"""

import asyncio
import contextlib
import json
import math
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.endpoints.pool_usage import UserDays, users_left
from proxy.journey.legacy_client import ClientError, LegacyClient
from proxy.lab.front_end import Behaviour, FrontEndServer
from proxy.lab.setting import ALIAS
from proxy.telemetry.metrics import CATALOGUE
from tests.support.certificates import Authority
from tests.support.ports import free_address
from tests.support.prometheus import Prometheus, prometheus
from tests.support.scene import FRONT_END_HOSTS, WAYPOST_HOST, Scene, waypost_scene

ROOT = Path(__file__).parents[2]
BOARD = json.loads((ROOT / "config/grafana/waypost.json").read_text())
PATIENCE = 60.0
EXTRA = """
[chat_probe]
every = "1s"
[admin]
listen = "{admin}"
[tls]
certificate = "{files.certificate}"
key = "{files.key}"
ca = "{authority.ca}"
[[listen]]
transport = "tls"
address = "{tls}"
"""


def panels() -> Iterator[dict[str, Any]]:
    for each in BOARD["panels"]:
        if each["type"] != "row":
            yield each


def queries() -> dict[str, str]:
    """Number, title and letter → the query as Prometheus gets it."""
    return {
        f"{panel['id']} {panel['title']} {target['refId']}": target["expr"]
        .replace("$__rate_interval", "30s")
        .replace("$job", ".*")
        .replace("$instance", ".*")
        for panel in panels()
        for target in panel["targets"]
    }


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[tuple[Scene, str]]:
    authority = Authority(tmp_path)
    admin, tls = ("{}:{}".format(*free_address(WAYPOST_HOST)) for _ in ("admin", "tls"))
    extra = EXTRA.format(
        admin=admin,
        tls=tls,
        files=authority.issue("proxy.contoso.test"),
        authority=authority,
    )
    refuses, well = (
        FrontEndServer(f"fe{number}", host)
        for number, host in enumerate(FRONT_END_HOSTS, 1)
    )
    refuses.behaviour = Behaviour(mode="answer", status=503)
    for each in (well, refuses):
        await each.start()
    try:
        addresses = [(each.host, each.port) for each in (refuses, well)]
        async with waypost_scene(tmp_path, addresses, extra=extra) as opened:
            yield opened, admin
    finally:
        for each in (well, refuses):
            await each.stop()


async def call_for_ever(proxy: tuple[str, int]) -> None:
    """A few legacy users who dial the alias again and again."""
    number = 0
    while True:
        number += 1
        user = f"sip:user{number % 5}@contoso.test"
        client = LegacyClient(proxy, transport="tcp", user=user, timeout=30.0)
        # One of many calls: that one fails on a busy machine is no matter here.
        with contextlib.suppress(ClientError, OSError, TimeoutError):
            await client.connect()
            dialog, answer = await client.call(ALIAS)
            if answer.status == 200:
                await client.hang_up(dialog)
        await client.close()
        await asyncio.sleep(0.1)


async def without_data(found: Prometheus, wanted: dict[str, str]) -> dict[str, str]:
    """Which queries have no number to show."""
    missing = {}
    for name, query in wanted.items():
        rows = await asyncio.to_thread(found.ask, query)
        values = [float(row["value"][1]) for row in rows]
        if not any(map(math.isfinite, values)):
            missing[name] = query
    return missing


async def test_every_panel_has_data(scene: tuple[Scene, str], tmp_path: Path) -> None:
    opened, admin = scene
    callers = asyncio.gather(call_for_ever(opened.proxy))
    with prometheus(tmp_path / "prometheus", admin) as found:
        missing = queries()
        end = asyncio.get_running_loop().time() + PATIENCE
        while missing and asyncio.get_running_loop().time() < end:
            assert not callers.done(), callers.exception()
            await asyncio.sleep(0.5)
            missing = await without_data(found, missing)
        (users,) = found.ask("sum(waypost_legacy_users)")
    callers.cancel()
    await asyncio.gather(callers, return_exceptions=True)
    assert not missing
    assert 1 <= float(users["value"][1]) <= 5


def test_the_dashboard_names_metrics_that_there_are_and_no_two_panels_alike() -> None:
    names = {name.removesuffix("_bucket") for name in re.findall(
        r"waypost_\w+", json.dumps(BOARD)
    )}  # fmt: skip
    assert names <= {*CATALOGUE}
    boxes = [panel["gridPos"] for panel in BOARD["panels"]]
    cells = [
        (box["x"] + x, box["y"] + y)
        for box in boxes
        for x in range(box["w"])
        for y in range(box["h"])
    ]
    assert len(cells) == len({*cells}) and max(x for x, _ in cells) == 23
    identities = [panel["id"] for panel in BOARD["panels"]]
    assert len(identities) == len({*identities})


def test_the_dashboard_is_of_a_kind_that_grafana_does_not_have_to_migrate() -> None:
    assert BOARD["schemaVersion"] >= 38, "what Grafana 10 writes"
    assert BOARD["uid"] == "waypost" and "id" not in BOARD, "an id is of one server"
    assert {panel["type"] for panel in BOARD["panels"]} <= {
        *("row", "stat", "timeseries", "table")
    }
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len({*titles})
    for panel in panels():
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len({*letters}), panel["title"]
    asked = [each["expr"] for panel in panels() for each in panel["targets"]]
    assert len(queries()) == len(asked)


def test_every_panel_says_what_it_shows_and_takes_the_chosen_source() -> None:
    for panel in panels():
        assert panel["description"] and panel["targets"], panel["title"]
        sources = [panel["datasource"], *(x["datasource"] for x in panel["targets"])]
        assert {each["uid"] for each in sources} == {"${source}"}
        for target in panel["targets"]:
            assert '{job=~"$job", instance=~"$instance"' in target["expr"]


def test_the_grafana_of_the_lab_finds_the_dashboard_and_its_source() -> None:
    compose = yaml.safe_load((ROOT / "docker/compose.yml").read_text())
    grafana = compose["services"]["grafana"]
    assert grafana["profiles"] == ["grafana"], "it starts only when asked for"
    mounted = dict(each.removesuffix(":ro").split(":") for each in grafana["volumes"])
    for source in mounted:
        assert (ROOT / "docker" / source).exists()
    (boards,) = _lab("boards.yml")["providers"]
    assert boards["options"]["path"] == mounted["../config/grafana"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{mounted['../config/grafana']}/waypost.json"
    (source,) = _lab("sources.yml")["datasources"]
    address = compose["services"]["prometheus"]["networks"]["sip"]["ipv4_address"]
    assert (source["type"], source["url"]) == ("prometheus", f"http://{address}:9090")
    used = [x["networks"]["sip"]["ipv4_address"] for x in compose["services"].values()]
    assert len(used) == len({*used})


def _lab(name: str) -> Any:
    return yaml.safe_load((ROOT / "docker/lab/grafana" / name).read_text())


def test_users_are_counted_once_at_the_pool_where_they_were_last() -> None:
    rows = [
        UserDays("a@x", "old", "alice@x", (10, 11)),
        UserDays("b@x", "old", "alice@x", (9,)),
        UserDays("a@x", "new", "alice@x", (12,)),
        UserDays("a@x", "old", "bob@x", (11,)),
        UserDays("a@x", "old", "gone@x", (5,)),
        UserDays("a@x", "old", "never@x", ()),
    ]
    assert users_left(rows, 8) == {"new": 1, "old": 1}
    assert users_left(rows, 12) == {}
