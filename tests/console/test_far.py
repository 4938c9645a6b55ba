"""``waypost --server``: who may type what, and what stands between the two ends."""

import base64
import contextlib
import json
import ssl
import subprocess
import sys
import threading
import time

import pytest
from typer.main import get_command

from proxy.cli.app import app
from proxy.cli.hosting.roles import ANYWHERE, HERE, ROLES
from proxy.cli.hosting.run_line import Line, _Printed, _Switch
from proxy.cli.hosting.server import _context
from proxy.cli.main import main
from proxy.cli.tree import command_tree
from proxy.console.api.lines import _watchers
from proxy.console.sessions import CSRF_HEADER
from proxy.endpoints.usage import Usage
from tests.facts.world import right_a
from tests.support.console import caller, in_store, new_token, running_console
from tests.support.far_command import lines
from tests.support.until import until

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


def test_what_a_command_trusts_depends_on_no_version_of_python():
    """From 3.13 on `ssl.create_default_context` refuses, by this flag, certificates
    that lack what RFC 5280 wants beside the signature."""
    assert not _context(None).verify_flags & ssl.VERIFY_X509_STRICT


def _said(capsys):
    found = capsys.readouterr()
    keep = [x for x in found.out.splitlines() if "console.answered" not in x]
    return "\n".join(keep), found.err


def test_every_command_is_somebodys_or_of_one_machine():
    known = set(ROLES) | ANYWHERE | HERE
    tree = [x for x in command_tree(get_command(app)).walk() if not x.children]
    missing = {each.path[1:] for each in tree} - known
    assert not missing, f"{missing}: say in cli/hosting/roles.py who may type it"
    hidden = {("complete",), ("get-help",)}
    assert known - hidden == {each.path[1:] for each in tree}


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


FORGET = [
    ("usage", "forget", "alice@contoso.test"),
    ("usage", "--days", "3", "forget", "alice@contoso.test"),
    ("--json", "usage", "--csv", "forget", "alice@contoso.test"),
    ("usage", "--", "forget", "alice@contoso.test"),
]


@pytest.fixture
def counted(config_file):
    """A user in the ledger; who is there now."""
    row = Usage("a@contoso.test", "alice@contoso.test", 1.0, 2.0, 1, 0, "", "", "")
    in_store(config_file, lambda operator: operator.store.add_usage([row]))
    return lambda: in_store(config_file, lambda operator: operator.store.usage())


@pytest.mark.parametrize("line", FORGET)
def test_none_but_an_admin_has_a_user_forgotten(type_as, counted, config_file, line):
    for role, needs in (("viewer", "operator"), ("operator", "admin")):
        code, _, err = type_as(role, *line)  # none but an operator posts
        assert code == 1
        assert f"has the role {role}, and this needs {needs}" in err
    part = {"name": "part", "domains": ["contoso.test"]}
    code, _, err = type_as("admin", *line, **part)
    assert code == 1
    assert "leaves out what belongs to the whole service" in err
    assert len(counted()) == 1


@pytest.mark.parametrize("line", FORGET)
def test_a_user_is_forgotten_by_post_and_that_stands_in_the_history(
    type_as, counted, config_file, line
):
    code, out, err = type_as("admin", *line, name="boss")
    assert code == 0, err
    assert "1 row" in out or '"rows": 1' in out
    assert counted() == []
    row, *_ = in_store(config_file, lambda operator: operator.store.history())
    assert (row.verb, row.key, row.actor.name) == ("usage.forget", "1 row", "boss")
    code, out, _ = type_as("admin", "endpoint", "history")
    assert "usage.forget" in out
    assert "alice" not in out


@pytest.mark.parametrize("line", FORGET)
def test_nobody_is_forgotten_by_get(url, config_file, counted, line):
    with caller(url, new_token(config_file, "admin")) as admin:
        answer = admin.get("/lines", params={"argument": list(line)})
        assert "send it with POST" in answer.text
    assert len(counted()) == 1


def test_by_get_an_admin_is_a_viewer_whatever_the_line_turns_out_to_be(
    url, config_file, counted, monkeypatch
):
    # As before the table of roles knew it.
    monkeypatch.setattr("proxy.cli.hosting.roles.VERBS", {})
    with caller(url, new_token(config_file, "admin")) as admin:
        answer = admin.get("/lines", params={"argument": list(FORGET[0])})
        assert "has the role viewer, and this needs admin" in answer.text
    assert len(counted()) == 1


@pytest.mark.parametrize(
    "line", [(), ("--reset",), ("--done", "deploy"), ("--report",)]
)
def test_a_scope_has_nothing_to_do_with_the_runbook(type_as, config_file, line):
    in_store(config_file, lambda op: op.store.set_note("runbook", '{"done":{}}'))
    code, _, err = type_as("operator", "runbook", *line, domains=["contoso.test"])
    assert code == 1
    assert "leaves out what belongs to the whole service" in err
    note = in_store(config_file, lambda op: op.store.note("runbook"))
    assert note == '{"done":{}}'


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


def _words_for_files():
    """Each command that may be typed elsewhere, and each word that names a file."""
    for node in command_tree(get_command(app)).walk():
        if node.path[1:] not in ROLES:
            continue
        if "FILE" in node.arguments:
            yield node.path[1:], ""
        for option in node.options:
            if option.metavar == "FILE":
                yield node.path[1:], option.names[0]


FILES = list(_words_for_files())
NEEDED = {
    ("explain",): ["sip:a@contoso.test", "--plan", "plan.toml"],
    ("trace",): ["--failed"],
    ("usage",): ["--unknown", "--pool-fqdn", "p.contoso.test"],
    ("facts", "check"): ["facts.json"],
    ("cutover", "plan"): ["plan.toml"],
    ("cutover", "apply"): ["plan.toml"],
}
PLAN = """
[[change]]
sip_address = "a@contoso.test"
pool_fqdn = "p.contoso.test"
create = true
"""


def test_the_words_for_files_are_found():
    known = {*FILES}
    assert {(("doctor",), "--certificate"), (("doctor",), "--key")} <= known
    assert {(("facts", "show"), ""), (("trace",), "--pcap")} <= known
    assert len(known) > 14


@pytest.mark.parametrize(("path", "option"), FILES)
def test_every_file_that_a_line_names_is_of_the_other_end(
    url, config_file, tmp_path, path, option
):
    """It asks for the file, has it written there, or refuses the option."""
    secret = tmp_path / "secret.pem"
    secret.write_text("of the console")
    needed = NEEDED.get(path, []) if option else []
    words = [*path, *needed, *([option] if option else []), str(secret)]
    row = Usage("nobody@contoso.test", "a@contoso.test", 1.0, 2.0, 1, 0, "", "", "")
    in_store(config_file, lambda operator: operator.store.add_unknown([row]))
    with caller(url, new_token(config_file, "admin")) as admin:
        held = {"plan.toml": PLAN, "facts.json": json.dumps(right_a())}
        files = {
            name: {"data": base64.b64encode(text.encode()).decode()}
            for name, text in held.items()
        }
        body = {"arguments": words, "files": files}
        told = admin.post("/lines", json=body).text
    asks = json.dumps({"kind": "file", "what": str(secret)})
    ways = [asks, "event: file", "a private key stays on its machine"]
    if option == "--pcap":
        ways = ["no service answers"]  # the service is asked before anything is written
    assert any(way in told for way in ways), told
    assert secret.read_text() == "of the console"


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


WATCH = {"argument": ["usage", "--watch"], "is_output_terminal": True}


@contextlib.contextmanager
def following(url, token):
    """A line that goes on until its reader leaves."""
    with (
        caller(url, token) as reader,
        reader.stream("GET", "/lines", params=WATCH) as answer,
    ):
        words = answer.iter_text()
        text = next(words)
        while "event: " not in text:
            text += next(words)
        yield text


def all_have_left():
    """Each line ends with the next thing that it prints, once its reader has gone.

    Later it would print where pytest has put other streams, and never learn of it.
    """
    until(lambda: not _watchers._by_access.total())


def test_who_follows_leaves_threads_to_others(url, config_file):
    tokens = [new_token(config_file, "viewer", f"v{n}") for n in range(3)]
    with contextlib.ExitStack() as stack:
        for token in (tokens[0], tokens[0], tokens[1], tokens[1]):
            told = stack.enter_context(following(url, token))
            assert "event: out" in told
        with caller(url, tokens[0]) as viewer:
            refused = viewer.get("/lines", params=WATCH).text
            assert 'the token \\"v0\\" follows 2 lines already' in refused
            assert "event: exit\ndata: 1" in refused
            look = viewer.get("/lines", params={"argument": ["usage"]}).text
            assert "event: exit\ndata: 0" in look
        with caller(url, tokens[2]) as viewer:
            refused = viewer.get("/lines", params=WATCH).text
            assert "4 lines are followed over this console already" in refused
    # Each ends with the next thing that it prints, once its reader has gone.
    short = {"argument": ["usage", "--watch", "--seconds", "0"]}
    deadline = time.monotonic() + 10
    with caller(url, tokens[2]) as viewer:
        while "exit\ndata: 0" not in viewer.get("/lines", params=short).text:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "exit\ndata: 0" in viewer.get("/lines", params=short).text
    all_have_left()


def test_who_follows_something_quiet_learns_that_nobody_reads_any_more(url, console):
    """Nothing is printed: a flush is enough."""
    ended = threading.Event()

    def quiet(config, operate, tell, admit, stay, **line):
        stay()
        printed = printed_over(tell)
        printed.write("begun")
        try:
            while True:
                printed.flush()
                time.sleep(0.01)
        finally:
            ended.set()

    console.desk.run_line = quiet
    token = new_token(console.desk.config.path, "viewer")
    with following(url, token) as told:
        assert "begun" in told
        assert not ended.wait(0.1)
    assert ended.wait(5)


def test_who_follows_leaves_the_streams_of_the_process_alone(url, config_file):
    before = sys.stdout, sys.stderr
    with following(url, new_token(config_file, "viewer")):
        for stream, was in zip((sys.stdout, sys.stderr), before, strict=True):
            # Each line has streams of its own, behind the one that all share.
            assert isinstance(stream, _Switch) or stream is was
    all_have_left()


def test_a_line_that_still_runs_ends_with_the_console(config_file):
    """Its thread would keep the process, and its last word would be left lying."""
    ended = threading.Event()

    def talks(config, operate, tell, admit, stay, **line):
        try:
            while True:
                tell("out", "x")
        finally:
            ended.set()

    with contextlib.ExitStack() as stack:
        with running_console(config_file, run_line=talks) as running:
            token = new_token(config_file, "viewer")
            reader = stack.enter_context(caller(running.url, token))
            words = {"argument": ["usage"]}
            answer = stack.enter_context(reader.stream("GET", "/lines", params=words))
            next(answer.iter_text())
        assert ended.wait(10)


def printed_over(tell):
    return _Printed("out", Line([]), tell)


@pytest.mark.parametrize("option", ["--certificate", "--key"])
def test_no_key_of_the_console_is_opened(type_as, tmp_path, option):
    code, _, err = type_as("operator", "doctor", option, str(tmp_path / "no.pem"))
    assert code == 1
    assert "a private key stays on its machine" in err
    assert "no.pem" not in err


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


PRINTING = """
import sys, threading
import typer.main
from proxy.cli.app import app
from proxy.cli.hosting.run_line import Line, run_line

printing, go, said = threading.Event(), threading.Event(), []

def tell(name, value):
    said.append((name, value))
    if name == "out" and not printing.is_set():
        printing.set()
        go.wait(20)

def work():
    root = typer.main.get_command(app)
    nothing = lambda *_: None
    run_line(root, None, None, tell, nothing, nothing, Line(["--version"]))

before, thread = sys.stdout, threading.Thread(target=work)
thread.start()
assert printing.wait(20)
sys.stdout = before
junk = [[object() for _ in range(50)] + [{}] for _ in range(2000)]
go.set()
thread.join(20)
print("".join(text for name, text in said if name == "out"), end="")
"""


def test_who_puts_another_stream_there_while_a_line_prints_crashes_nobody():
    """As the end of a test does; what is printed on must outlive its place."""
    found = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PRINTING],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (found.returncode, found.stdout[:8]) == (0, "waypost "), found.stderr
    assert found.stdout.endswith("\n")
