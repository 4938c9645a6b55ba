"""``waypost --server``: who may type what, and what stands between the two ends."""

import base64
import json

import pytest
from typer.main import get_command

from proxy.cli.app import app
from proxy.cli.hosting.roles import ANYWHERE, HERE, ROLES
from proxy.cli.main import main
from proxy.cli.tree import command_tree
from proxy.console.sessions import CSRF_HEADER
from tests.support.console import caller, in_store, new_token, running_console
from tests.support.far_command import lines

NEW = ("endpoint", "new", "--sip-address", "a@contoso.test")
CHAT = (*NEW, "--pool-fqdn", "p.contoso.test")


@pytest.fixture
def console(config_file):
    with running_console(config_file, run_line=lines) as running:
        yield running


@pytest.fixture
def type_as(config_file, url, tmp_path, capsys):
    """Types a line at another machine, with a token of a role."""

    def run(role, *arguments, **more):
        token = tmp_path / f"{role}.token"
        if not token.exists():
            token.write_text(new_token(config_file, role, **more))
        capsys.readouterr()
        code = main(["--server", url, "--token-file", str(token), *arguments])
        return code, *(x for x in _said(capsys))

    return run


def _said(capsys):
    found = capsys.readouterr()
    keep = [x for x in found.out.splitlines() if "console.answered" not in x]
    return "\n".join(keep), found.err


def test_every_command_is_somebodys_or_of_one_machine():
    known = set(ROLES) | ANYWHERE | HERE
    tree = [x for x in command_tree(get_command(app)).walk() if not x.children]
    missing = {each.path[1:] for each in tree} - known
    assert not missing, f"{missing}: say in cli/hosting/roles.py who may type it"
    assert known == {each.path[1:] for each in tree}


def test_a_viewer_types_what_only_looks(type_as):
    assert type_as("operator", *CHAT)[0] == 0
    code, out, _ = type_as("viewer", "endpoint", "get", "a@contoso.test")
    assert code == 0
    assert "sip:a@contoso.test" in out


def test_a_viewer_types_no_change(type_as, config_file):
    for path, role in ROLES.items():
        if role != "viewer":
            code, _, err = type_as("viewer", *path, "x@contoso.test")
            assert code == 1, path
            assert "has the role viewer" in err, path
    history = in_store(config_file, lambda operator: operator.store.history())
    assert {row.kind for row in history} == {"token"}


def test_a_change_is_never_made_by_get(url, config_file):
    with caller(url, new_token(config_file, "admin")) as admin:
        answer = admin.get("/lines", params={"argument": list(CHAT)})
        assert "send it with POST" in answer.text
        assert admin.get("/endpoints").json() == []


def test_the_audit_names_the_token(type_as, config_file):
    type_as("operator", *CHAT, name="desk")
    row, *_ = in_store(config_file, lambda operator: operator.store.history())
    assert (row.actor.name, row.actor.origin) == ("desk", "token from 127.0.0.1")


def test_a_scope_counts_for_lines_too(type_as):
    code, _, err = type_as("operator", *CHAT, domains=["contoso.com"])
    assert code == 1
    assert "is for contoso.com" in err


@pytest.mark.parametrize(
    "line",
    [
        ("store", "migrate", "sqlite:////tmp/a", "sqlite:////tmp/b"), ("serve",),
        ("console",), ("lab", "--once"),
    ],
)  # fmt: skip
def test_what_is_of_one_machine_is_not_run_at_another(url, config_file, type_as, line):
    code, _, err = type_as("admin", *line)
    assert code == 2
    assert "without --server" in err
    with caller(url, new_token(config_file, "admin", "raw")) as admin:
        answer = admin.post("/lines", json={"arguments": list(line)})
        assert "on the machine of the service alone" in answer.text


@pytest.mark.parametrize("file", ["/etc/passwd", "waypost.toml", "/proc/self/environ"])
@pytest.mark.parametrize(
    "line",
    [
        ("cutover", "plan"), ("facts", "show"), ("facts", "check"),
        ("doctor", "--plan"), ("endpoint", "import"), ("runbook", "--plan"),
    ],
)  # fmt: skip
def test_no_line_reads_a_file_of_the_console(url, config_file, line, file):
    with caller(url, new_token(config_file, "admin")) as admin:
        answer = admin.post("/lines", json={"arguments": [*line, file]})
        last = answer.text.strip().split("\n\n")[-1]
        assert last.startswith("event: want")
        assert json.loads(last.partition("data: ")[2]) == {"kind": "file", "what": file}
        assert "root:" not in answer.text


def test_no_line_writes_a_file_of_the_console(url, config_file, tmp_path):
    target = tmp_path / "out.csv"
    with caller(url, new_token(config_file, "admin")) as admin:
        words = ["endpoint", "export", "--output", str(target)]
        answer = admin.post("/lines", json={"arguments": words})
        assert "event: file" in answer.text
    assert not target.exists()


def test_a_file_is_read_and_written_where_the_line_was_typed(type_as, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("SipAddress,PersistentChatPoolFqdn\na@contoso.test,p.contoso.test")
    code, out, err = type_as("operator", "endpoint", "import", str(rows))
    assert (code, err) == (0, ""), err
    assert "1 create" in out
    target = tmp_path / "out.csv"
    code, out, _ = type_as("viewer", "endpoint", "export", "--output", str(target))
    assert code == 0
    assert "sip:a@contoso.test" in target.read_text("utf-8-sig")
    code, _, err = type_as("operator", "endpoint", "import", str(tmp_path / "no"))
    assert code == 1
    assert err.endswith("no cannot be read: No such file or directory\n")


def test_another_configuration_cannot_be_named(url, config_file):
    with caller(url, new_token(config_file, "admin")) as admin:
        words = ["config", "show", "--config", "/etc/passwd"]
        answer = admin.post("/lines", json={"arguments": words})
        assert "a configuration of its own" in answer.text


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--token-file", "x"), 2, "--server https://"),
        (("--server", "http://proxy.contoso.com:8443"), 3, "could read the token"),
        (("--server", "ftp://x"), 3, "not the address of a console"),
        (("--server", "proxy.contoso.com"), 3, "not the address of a console"),
        (("--server", "http://127.0.0.1:1"), 3, "--token-file"),
        (("--server", "http://127.0.0.1:1", "--token-file", "F"), 3, "no console"),
        (("--server", "http://127.0.0.1:1", "--token-file", "no"), 3, "cannot be read"),
        (("--server", "http://127.0.0.1:1", "--token-file", "E"), 3, "holds no token"),
        (("--server", "https://127.0.0.1:1", "--ca-file", "F"), 3, "cannot be used"),
        (("--server",), 2, "needs a value"),
        (("--server", "http://127.0.0.1:1", "--config", "x"), 2, "leave one out"),
    ],
)
def test_what_is_wrong_on_this_side_says_what_to_write(
    tmp_path, monkeypatch, capsys, options, code, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "F").write_text("waypost_x\n")
    (tmp_path / "E").write_text("\n")
    assert main(["endpoint", "get", *options]) == code
    assert words in capsys.readouterr().err


def test_a_token_that_nobody_has_is_refused(url, tmp_path, capsys):
    (tmp_path / "token").write_text("waypost_nobody")
    options = ("--server", url, "--token-file", str(tmp_path / "token"))
    assert main([*options, "endpoint", "get"]) == 1
    assert "nobody has this token" in capsys.readouterr().err


def test_a_session_types_no_line_without_its_second_secret(url, config_file):
    token = new_token(config_file, "operator")
    with caller(url) as page:
        csrf = page.post("/session", json={"token": token}).json()["csrf"]
        body = {"arguments": list(CHAT)}
        assert page.post("/lines", json=body).status_code == 403
        answer = page.post("/lines", json=body, headers={CSRF_HEADER: csrf})
        assert "event: exit\ndata: 0" in answer.text


def test_what_is_no_base64_is_refused(url, config_file):
    with caller(url, new_token(config_file, "admin")) as admin:
        body = {"arguments": ["user", "new", "x"], "input": "%"}
        assert admin.post("/lines", json=body).status_code == 422
        body = {
            "arguments": ["user", "new", "x", "--password-stdin"],
            "input": base64.b64encode(b"correct horse\n").decode(),
        }
        assert "event: exit\ndata: 0" in admin.post("/lines", json=body).text
