"""docs/cli.md says what the command prints."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.commands.test_pool import running_zone

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}")
SECRET = re.compile(r"waypost_[\w-]{43}")
ZONE = {
    "_sip._udp.pcpool.contoso.test SRV": [
        "10 60 5060 fe1.contoso.test.",
        "20 0 5060 fe2.contoso.test.",
    ],
    "fe1.contoso.test A": "127.0.0.21",
    "fe2.contoso.test A": "127.0.0.22",
}


def steps():
    """Every (line, expected output) of the page, in order."""
    for block in BLOCK.findall(PAGE.read_text()):
        for step in block.removeprefix("$ ").split("\n$ "):
            line, _, expected = step.partition("\n")
            yield line, expected.strip("\n")


@pytest.mark.here
def test_every_command_of_the_page_prints_what_it_says(
    waypost, config_file, monkeypatch
):
    done = []
    with running_zone(ZONE) as address:
        for line, expected in steps():
            if "pool show" in line:
                monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
            with monkeypatch.context() as asked:
                if "config check" in line:
                    asked.setenv("WAYPOST_DNS_NAMESERVERS", address)
                code = waypost(*shlex.split(line)[1:])
            printed = (waypost.out + waypost.err).strip("\n")
            if code:
                printed += f"\n[exit code {code}]"
            printed = printed.replace(str(config_file.parent), "/etc/waypost")
            printed = printed.replace(address, "10.1.0.53:53")
            printed = SECRET.sub("waypost_<secret>", printed)
            assert INSTANT.sub("<instant>", printed) == expected, line
            done.append(line)
    assert len(done) > 10
