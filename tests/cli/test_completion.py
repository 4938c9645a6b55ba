"""Completion scripts: made from the command, and the shells take them."""

import contextlib
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

from proxy.cli.app import app
from proxy.cli.completion import script
from proxy.cli.tree import command_tree


@pytest.fixture(scope="module")
def tree():
    return command_tree(get_command(app))


def complete(script_text, *words):
    """What bash offers after these words."""
    quoted = " ".join(f'"{word}"' for word in words)
    line = (
        f"{script_text}\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n"
        "_waypost\nprintf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert not done.stderr
    return done.stdout.split()


def test_bash_completes_commands_and_options(tree):
    text = script(tree, "bash")
    assert complete(text, "waypost", "endpoi") == ["endpoint"]
    assert "--pool-fqdn" in complete(text, "waypost", "endpoint", "new", "--p")
    assert complete(text, "waypost", "--json", "pool", "sho") == ["show"]


def test_bash_skips_values_of_options(tree):
    text = script(tree, "bash")
    words = ("waypost", "--config", "x.toml", "endpoint", "remo")
    assert complete(text, *words) == ["remove"]


def test_bash_completes_choices(tree):
    text = script(tree, "bash")
    assert complete(text, "waypost", "pool", "set", "--transport", "t") == [
        *("tcp", "tls")
    ]
    assert "zsh" in complete(text, "waypost", "completion", "")
    assert complete(text, "waypost", "token", "new", "x", "--role", "a") == ["admin"]


def test_bash_completes_names_of_the_store(tree, waypost, config_file):
    waypost.create()
    text = script(tree, "bash")
    command = str(Path(sys.executable).parent / "waypost")
    assert complete(text, command, "endpoint", "remove", "ocs") == [
        "ocschat@contoso.test"
    ]
    assert "pcpool.contoso.test" in complete(text, command, "pool", "show", "")
    assert "deploy" in complete(text, command, "runbook", "--done", "de")


PLACES = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


class Terminal:
    """A bash, or another shell, that somebody sits at, in a terminal of its own."""

    def __init__(self, begin: str, *shell: str) -> None:
        mine, theirs = pty.openpty()
        self._mine = mine
        more = {"INPUTRC": "/dev/null", "PS1": "$ ", "TERM": "dumb"}
        self._child = subprocess.Popen(
            shell or ["bash", "--norc", "--noprofile", "-i"],
            **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
            env={**os.environ, **more, "PATH": PLACES},
            start_new_session=True,
        )
        os.close(theirs)
        self.shows("$ ")
        os.write(mine, f"{begin}; echo rea''dy\n".encode())
        self.shows("ready")

    def types(self, line: str, wanted: str) -> None:
        """A line and a Tab; returns when the shell has completed it so."""
        os.write(self._mine, line.encode() + b"\t")
        self.shows(wanted)
        os.write(self._mine, b"\x15")  # Ctrl-U: the line is empty again

    def shows(self, wanted: str) -> None:
        seen, end = "", time.monotonic() + 20
        while wanted not in seen.replace("\b", ""):
            assert select.select([self._mine], [], [], end - time.monotonic())[0], seen
            seen += os.read(self._mine, 65536).decode()

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._mine)


@pytest.mark.here
def test_a_tab_completes_an_address_at_its_signs_too(
    tree, waypost, config_file, tmp_path
):
    """Readline breaks words at @, : and =."""
    for domain in ("contoso.test", "contoso.com"):
        words = ("--sip-address", f"ocschat@{domain}", "--pool-fqdn", f"pool.{domain}")
        assert waypost("endpoint", "new", *words) == 0, waypost.err
    file = tmp_path / "completion.bash"
    file.write_text(script(tree, "bash"))
    with contextlib.closing(Terminal(f". {file}")) as terminal:
        terminal.types("waypost endpoint get ocs", "chat@contoso.")
        terminal.types("waypost endpoint get ocschat@contoso.t", "contoso.test ")
        terminal.types("waypost endpoint get sip:ocschat@contoso.c", "contoso.com ")
        terminal.types("waypost calls --endpoint=ocschat@contoso.t", "contoso.test ")
        terminal.types("waypost pool set --transport=tl", "tls ")


def needs(shell):
    return pytest.mark.skipif(
        shutil.which(shell) is None, reason=f"there is no {shell}"
    )


@needs("zsh")
@pytest.mark.here
@pytest.mark.parametrize("way", ["sourced", "loaded by the first Tab"])
def test_a_tab_completes_in_zsh(tree, waypost, config_file, tmp_path, way):
    waypost.create()
    file = tmp_path / "_waypost"
    file.write_text(script(tree, "zsh"))
    begin = f". {file}"
    if way != "sourced":
        begin = f"fpath+=({tmp_path}); autoload -Uz compinit; compinit -D -u"
    with contextlib.closing(Terminal(begin, "zsh", "-f", "-i")) as terminal:
        terminal.types("waypost endpo", "waypost endpoint ")
        terminal.types("waypost pool show pc", "pcpool.contoso.test ")
        terminal.types("waypost endpoint get sip:ocs", "sip:ocschat@contoso.test ")
        terminal.types("waypost pool set --transport=tl", "--transport=tls ")


@needs("fish")
@pytest.mark.here
def test_a_tab_completes_in_fish(tree, waypost, config_file, tmp_path):
    waypost.create()
    file = tmp_path / "waypost.fish"
    file.write_text(script(tree, "fish"))
    typed = {
        "waypost endpo": "endpoint",
        "waypost pool show ": "pcpool.contoso.test",
        "waypost endpoint get ocs": "ocschat@contoso.test",
        "waypost pool set --transport tl": "tls",
        "waypost completion z": "zsh",
    }
    asks = "; ".join(f'complete -C "{line}"; echo --' for line in typed)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {file}; {asks}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": PLACES, "HOME": str(tmp_path)},
    )
    assert not done.stderr
    for found, wanted in zip(done.stdout.split("--\n"), typed.values(), strict=False):
        assert wanted in found.split()


@pytest.mark.here
def test_a_name_that_cannot_be_asked_for_completes_to_nothing(waypost, config_file):
    config_file.write_text("broken")
    assert waypost("complete", "identities") == 0
    assert (waypost.out, waypost.err) == ("", "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_every_command(tree, shell):
    text = script(tree, shell)
    for command in tree.walk():
        assert " ".join(command.path) in text
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=text, text=True)
        assert done.returncode == 0


def test_the_command_prints_both(waypost):
    assert waypost("completion", "bash") == 0
    assert "complete -o default -F _waypost waypost" in waypost.out
    assert waypost("man") == 0
    assert waypost.out.startswith(".TH WAYPOST 1")


def test_an_unknown_shell_is_not_understood(waypost):
    assert waypost("completion", "tcsh") == 2
