"""A configuration of its own, and the command in this process."""

import asyncio
import json
import sys

import pytest

from proxy import clock
from proxy.cli.main import main
from proxy.config import load_config
from proxy.location.binding import Binding, BindingChange
from proxy.store import open_store
from tests.support.certificates import Authority
from tests.support.far_command import FarCommand
from tests.support.shapes import judge

TEXT = """
[proxy]
domains = ["contoso.test", "contoso.com"]
[[listen]]
transport = "udp"
address = "127.0.0.5:5060"
[store]
url = "sqlite:///waypost.db"
[dns]
nameservers = ["127.0.0.1:5353"]
"""


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    path = tmp_path / "waypost.toml"
    path.write_text(TEXT)
    monkeypatch.setenv("WAYPOST_CONFIG", str(path))
    return path


@pytest.fixture(autouse=True)
def rich_may_be_loaded():
    """``serve`` keeps Rich out of its process, which is ours here."""
    yield
    if sys.modules.get("rich", ...) is None:
        del sys.modules["rich"]


class Waypost:
    """Runs a line; keeps exit code, output and errors of the last one."""

    def __init__(self, capsys, far=None):
        self.capsys = capsys
        self.far = far
        self.code, self.out, self.err = 0, "", ""

    def __call__(self, *arguments):
        options = self.far.options() if self.far else ()
        self.code = main([*options, *arguments])
        self.out, self.err = self.capsys.readouterr()
        judge(arguments, self.out, self.err)
        return self.code

    @property
    def json(self):
        return json.loads(self.out)

    def create(self, address="ocschat@contoso.test", pool="pcpool.contoso.test"):
        assert not self(
            "endpoint", "new", "--sip-address", address, "--pool-fqdn", pool
        )


@pytest.fixture(scope="session")
def console_files(tmp_path_factory):
    """What a console shows, and whom to trust."""
    return Authority(tmp_path_factory.mktemp("console")).issue("127.0.0.1")


@pytest.fixture(params=["here", "far"])
def waypost(request, config_file, capsys):
    """The command, as it is typed on the machine and at another one.

    A test marked ``here`` is about the machine itself.
    """
    if request.param == "here":
        yield Waypost(capsys)
        return
    if request.node.get_closest_marker("here"):
        pytest.skip("about the machine itself")
    folder = request.getfixturevalue("tmp_path")
    files = request.getfixturevalue("console_files")
    far = FarCommand(config_file, folder, files)
    yield Waypost(capsys, far)
    far.close()


@pytest.fixture
def bind(config_file):
    """Registers somebody for an address, as the registrar would have."""

    def register(aor, source="udp:127.0.0.9:5060", seconds=3600.0):
        now = clock.wall()
        binding = Binding(
            *(aor, b"k", b"sip:lookup@127.0.0.9", b"<sip:lookup@127.0.0.9>"),
            *(1.0, now + seconds, now, b"call-1", 1),
            user_agent="Lookup/3.5",
            source=source,
        )

        async def save():
            store = await open_store(load_config(config_file).store_url)
            await store.save_bindings([BindingChange(aor, b"k", binding)])
            await store.close()

        asyncio.run(save())

    return register
