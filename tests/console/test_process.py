"""``waypost console`` as a process, and what the proxy's process has of it: nothing."""

import asyncio
import contextlib
import re
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proxy.admin.access import tokens
from proxy.console.once import LASTS
from proxy.console.problems import Problem
from tests.support.certificates import Authority
from tests.support.console import (
    caller,
    in_store,
    new_token,
    write_config,
)
from tests.support.ports import free_port

WAYPOST = str(Path(sys.executable).with_name("waypost"))
FOREIGN = ("fastapi", "starlette", "uvicorn", "pydantic", "jinja2", "babel", "h11")


def test_the_proxys_process_imports_nothing_of_the_console():
    code = (
        "import sys, proxy.server.serve, proxy.server.lifecycle, proxy.cli.serve\n"
        "import proxy.cli.main\n"
        f"print([x for x in (*{FOREIGN}, 'proxy.console') if x in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr


def start(path, *words):
    process = subprocess.Popen(
        [WAYPOST, "--config", str(path), "console", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    line = process.stdout.readline()
    found = re.fullmatch(r"console at (\S+)\n", line)
    return process, found[1] if found else ""


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    _, told = process.communicate(timeout=15)
    return process.returncode, told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(tmp_path, number):
    path = write_config(tmp_path)
    token = new_token(path, "viewer")
    process, url = start(path)
    try:
        with caller(url, token) as viewer:
            assert viewer.get("/endpoints").json() == []
    finally:
        code, told = end(process, number)
    assert code == 0, told
    assert "console.answered" in told
    assert token not in told


def test_it_speaks_https_with_a_certificate(tmp_path):
    files = Authority(tmp_path).issue("127.0.0.1")
    path = write_config(tmp_path)
    own = f'certificate = "{files.certificate}"\nkey = "{files.key}"\n'
    path.write_text(path.read_text() + own)
    token = new_token(path, "viewer")
    process, url = start(path)
    try:
        assert url.startswith("https://")
        trusting = ssl.create_default_context(cafile=files.ca)
        with caller(url, token, verify=trusting) as viewer:
            answer = viewer.get("/endpoints")
            assert answer.status_code == 200
            assert "max-age" in answer.headers["strict-transport-security"]
    finally:
        assert end(process)[0] == 0


def test_a_link_signs_in_once_and_is_nowhere_logged(tmp_path):
    path = write_config(tmp_path)
    new_token(path, "operator", "anna")
    process, url = start(path, "--sign-in", "anna")
    try:
        said = process.stdout.readline()
        link = said.split(": ")[1].strip()
        page, _, secret = link.partition("#")
        assert page == f"{url}/sign-in"
        with caller(url) as client:
            # In an address it would stand in logs: refused, and good for nothing else.
            assert client.get("/session", params={"x": secret}).status_code == 400
            shown = {"Authorization": f"Bearer {secret}"}
            assert client.get("/session", headers=shown).status_code == 401
            answer = client.post("/session", json={"token": secret})
            assert (answer.status_code, answer.json()["name"]) == (200, "anna")
            assert client.get("/endpoints").status_code == 200
        with caller(url) as client:
            again = client.post("/session", json={"token": secret})
            assert again.status_code == 401
            assert "this link was used" in again.text
            assert client.get("/endpoints").status_code == 401
    finally:
        code, told = end(process)
    assert code == 0
    assert secret not in told


def test_a_link_ends_with_its_time_and_with_its_token(config_file, console):
    secrets = []
    for name in ("late", "gone", "far"):
        new_token(config_file, "viewer", name)
        made = in_store(config_file, lambda _, name=name: console.desk.link_for(name))
        secrets.append(made.partition("#")[2])
    late, gone, far = secrets
    desk = console.desk

    def use(secret, source="127.0.0.1"):
        with contextlib.suppress(Problem):
            return asyncio.run(desk.token_access(secret, source)).name
        return None

    in_store(config_file, lambda op: tokens.revoke_token(op, "gone"))
    assert use(gone) is None
    assert use(far, "192.0.2.7") is None
    assert use(far) == "far"
    desk.clock = lambda: time.time() + LASTS + 1  # noqa: TID251
    assert use(late) is None


def test_a_link_is_for_somebody_on_this_machine(tmp_path):
    path = write_config(tmp_path)
    line = [WAYPOST, "--config", str(path), "console", "--sign-in", "nobody"]
    found = subprocess.run(line, capture_output=True, text=True, timeout=20)
    assert found.returncode == 1
    assert 'nobody is called "nobody": waypost token new' in found.stderr
    text = path.read_text().replace("127.0.0.1:", "0.0.0.0:", 1)
    path.write_text(
        text.partition("[console]")[0]
        + f'[console]\nlisten = "0.0.0.0:{free_port()}"\nbehind = ["127.0.0.1/32"]\n'
    )
    found = subprocess.run(line, capture_output=True, text=True, timeout=20)
    assert found.returncode == 3
    assert "makes a link for this machine" in found.stderr


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('listen = "0.0.0.0:PORT"', "needs a certificate"),
        ('listen = "192.0.2.1:PORT"\nbehind = ["10.0.0.0/8"]', "cannot listen on"),
        ('certificate = "/nowhere.pem"\nkey = "/nowhere.key"', "/nowhere"),
        ('user_header = "X-Remote-User"', "believed from reverse proxies alone"),
    ],
)
def test_what_cannot_be_served_is_exit_code_3(tmp_path, section, words):
    path = write_config(tmp_path)
    text = path.read_text().partition("[console]")[0]
    section = section.replace("PORT", str(free_port()))
    path.write_text(f"{text}[console]\n{section}\n")
    line = [WAYPOST, "--config", str(path), "console"]
    found = subprocess.run(line, capture_output=True, text=True, timeout=20)
    assert found.returncode == 3, found.stderr
    assert words in found.stderr


def test_a_person_whom_a_reverse_proxy_names_is_believed_from_there_alone(tmp_path):
    from proxy.admin.access import people
    from tests.support.console import PASSWORD, in_store, running_console

    path = write_config(tmp_path)
    more = 'behind = ["127.0.0.1/32"]\nuser_header = "X-Remote-User"\n'
    path.write_text(path.read_text() + more)
    make = people.new_person
    in_store(path, lambda op: make(op, "carla", "operator", PASSWORD))
    with running_console(path) as running, caller(running.url) as proxy:
        named = {"X-Remote-User": "carla", "X-Forwarded-For": "9.9.9.9, 10.7.7.7"}
        assert proxy.get("/session", headers=named).json()["name"] == "carla"
        stranger = {"X-Remote-User": "mallory"}
        assert proxy.get("/session", headers=stranger).status_code == 403
        assert proxy.get("/session").status_code == 401
        body = {"sip_address": "a@contoso.test", "pool_fqdn": "p.contoso.test"}
        plain = proxy.post("/endpoints", json=body, headers=named)
        assert plain.status_code == 403
        page = {**named, "X-Waypost-CSRF": "1", "Origin": "https://evil.example"}
        assert proxy.post("/endpoints", json=body, headers=page).status_code == 403
        ours = {**named, "X-Waypost-CSRF": "1"}
        assert proxy.post("/endpoints", json=body, headers=ours).status_code == 201
    row, *_ = in_store(path, lambda operator: operator.store.history())
    assert (row.actor.name, row.actor.origin) == ("carla", "person from 10.7.7.7")
