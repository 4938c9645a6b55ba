"""The manual page: made from the command, with all of it."""

import shutil
import subprocess

import pytest
from typer.main import get_command

from proxy.cli.app import app
from proxy.cli.man import page
from proxy.cli.tree import command_tree


@pytest.fixture(scope="module")
def tree():
    return command_tree(get_command(app))


def test_the_manual_page_has_every_command_and_option(tree):
    text = page(tree).replace("\\-", "-")
    for command in tree.walk():
        if not command.children:
            assert f".SS {' '.join(command.path[1:])}" in text
        for option in command.options:
            for name in option.names:
                assert f"\\fB{name}\\fR" in text


def test_the_manual_page_is_roff_without_warnings(tree):
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    line = ["groff", "-man", "-Tutf8", "-ww"]
    done = subprocess.run(line, input=page(tree), capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr
    assert "waypost" in done.stdout
