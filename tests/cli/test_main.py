"""The entry point: what a command loads, and which way it goes."""

import signal
import subprocess
import sys

import pytest

from proxy.cli import main as main_module

pytestmark = pytest.mark.cold


def test_serve_and_get_do_not_load_what_they_do_not_need(config_file):
    code = (
        "import sys; from proxy.cli.main import main; main({line}); "
        "print([m for m in {modules} if sys.modules.get(m)], file=sys.stderr)"
    )
    for line, modules in (
        (["serve", "--config", "/nonexistent"], ["typer", "rich", "sqlite3"]),
        (["endpoint", "get"], ["rich", "dns", "structlog", "redis"]),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(line=line, modules=modules)],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.stderr.splitlines()[-1] == "[]", line


@pytest.fixture
def ways(monkeypatch):
    """Which way a line goes: served, run as a command, or sent to another machine."""
    gone: list[tuple[object, ...]] = []

    def noted(name):
        def note(*arguments):
            gone.append((name, *arguments))
            return 0

        return note

    monkeypatch.setattr("proxy.cli.serve.serve_command", noted("serve"))
    monkeypatch.setattr(
        main_module, "run_app", lambda app, *words: noted("app")(*words[:2])
    )
    monkeypatch.setattr("proxy.cli.hosting.server.send", noted("send"))
    before = signal.getsignal(signal.SIGTERM)
    yield gone
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("line", "way"),
    [
        (["serve"], ("serve", None, None)),
        (["--config", "x.toml", "serve"], ("serve", "x.toml", None)),
        (["serve", "--config=y.toml"], ("serve", "y.toml", None)),
        (["--config", "a", "--config=b", "serve"], ("serve", "b", None)),
        (["serve", "--event-log", "e"], ("serve", None, "e")),
        (["serve", "--event-log=e"], ("serve", None, "e")),
        # What is not plain is the command line's to refuse.
        (["serve", "--event-log"], ("app", [], ["serve", "--event-log"])),
        (["serve", "now"], ("app", [], ["serve", "now"])),
        (["pool", "list", "--json"], ("app", ["--json"], ["pool", "list"])),
    ],
)
def test_only_a_plain_serve_goes_without_the_command_line(ways, line, way):
    assert main_module.main(line) == 0
    assert ways == [way]


def test_a_line_for_another_machine_is_sent_there_without_a_configuration(
    ways, capsys, monkeypatch
):
    monkeypatch.delenv("WAYPOST_SERVER", raising=False)
    line = ["--server", "https://console.test", "pool", "list"]
    assert main_module.main(line) == 0
    assert ways[0][0] == "send" and ways[0][-1] == ["pool", "list"]
    assert main_module.main(["--config", "x", *line]) == 2
    assert "leave one out" in capsys.readouterr().err
