"""The command as it is typed at another machine: over HTTPS, to a console of ours."""

import json
import os
import sqlite3

import typer.main

from proxy.admin.access.tokens import proof_of
from proxy.cli.app import app
from proxy.cli.hosting.run_line import Line, run_line
from proxy.config import load_config
from proxy.store.access import Access, access_to_json
from tests.support.console import running_console
from tests.support.ports import free_port

TOKEN = "waypost_" + "t" * 43


def lines(*arguments, **line):
    """What ``waypost console`` hands to its routes."""
    run_line(typer.main.get_command(app), *arguments, line=Line(**line))


class FarCommand:
    """Consoles for a configuration, a new one whenever it was changed."""

    def __init__(self, config_file, folder, files, role="admin"):
        self._config_file = config_file
        self._files = files  # certificate, key and authority
        self._token_file = folder / "far.token"
        self._token_file.write_text(TOKEN + "\n")
        self._role = role
        self._seen = None
        self._running = None
        self.console = None

    def options(self):
        """What stands before a line; a console runs from now on."""
        seen = (
            self._config_file.read_bytes(),
            {k: v for k, v in os.environ.items() if k.startswith("WAYPOST_")},
        )
        if seen != self._seen:
            self.close()
            self._open()
            self._seen = seen
        self._let_in()
        url = self.console.url.replace("http://", "https://")
        return (
            *("--server", url, "--token-file", str(self._token_file)),
            *("--ca-file", self._files.ca),
        )

    def _open(self):
        text = self._config_file.read_text()
        beside = self._config_file.with_name("console.toml")
        section = (
            f'\n[console]\nlisten = "127.0.0.1:{free_port()}"\n'
            f'certificate = "{self._files.certificate}"\nkey = "{self._files.key}"\n'
        )
        beside.write_text(text + section)
        self._running = running_console(
            beside, run_line=lines, as_path=self._config_file
        )
        self.console = self._running.__enter__()

    def _let_in(self):
        """A token that stands in no history, so that numbers are those of the test."""
        url = load_config(self._config_file).store_url
        access = Access("token", "far", self._role, proof_of(TOKEN))
        with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
            body = json.dumps(access_to_json(access))
            db.execute(
                "INSERT OR REPLACE INTO access VALUES ('token', 'far', ?)", (body,)
            )
        db.close()

    def close(self):
        """End the console."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None
