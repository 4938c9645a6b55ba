"""`waypost init`: what it writes, what it refuses, and that an account can use it."""

import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from proxy.config import load_config
from proxy.config.file import default_text
from tests.support.until import until

ROOT = Path(__file__).parents[3]
WAYPOST = str(Path(sys.executable).parent / "waypost")
OPTIONS = (
    *("--domain", "contoso.com", "--pool-fqdn", "pcpool.contoso.com"),
    *("--sip-address", "sip:ocschat@contoso.com"),
)
pytestmark = pytest.mark.here


def run(*arguments, **more):
    return subprocess.run(
        [WAYPOST, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        **more,
    )


@pytest.fixture
def target(tmp_path):
    return tmp_path / "waypost.toml"


@pytest.fixture
def init(waypost, target):
    """`waypost --config FILE init`, in this process."""

    def init(*words):
        return waypost("--config", str(target), "init", *words)

    return init


def test_options_give_a_configuration_that_loads(init, waypost, target):
    target.unlink(missing_ok=True)
    assert init(*OPTIONS) == 0, waypost.err
    config = load_config(target, {})
    assert config.domains == {"contoso.com"}
    assert config.store_url == f"sqlite:///{target.parent}/waypost.db"
    assert "endpoint new --sip-address sip:ocschat@contoso.com" in waypost.out
    assert target.stat().st_mode & 0o777 == 0o600


def test_the_next_commands_can_be_typed_as_they_stand(tmp_path):
    target = tmp_path / "folder with blank" / "waypost.toml"
    done = run("--config", str(target), "--json", "init", *OPTIONS)
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)["next"]
    (new,) = [step for step in steps if "endpoint new" in step]
    made = subprocess.run(new, shell=True, capture_output=True, text=True, timeout=60)
    assert "created sip:ocschat@contoso.com -> pcpool.contoso.com" in made.stdout


def test_the_domain_may_come_from_the_address(init, waypost, target):
    target.unlink(missing_ok=True)
    assert init("--address", "chat@fabrikam.com", "--pool", "p.fabrikam.com") == 0
    assert load_config(target, {}).domains == {"fabrikam.com"}


def test_without_a_terminal_what_is_missing_is_named(
    init, waypost, target, monkeypatch
):
    target.unlink(missing_ok=True)
    monkeypatch.setattr(sys, "stdin", None)
    assert init("--domain", "contoso.com") == 2
    assert "--pool-fqdn and --sip-address" in waypost.err
    assert "waypost init --domain contoso.com" in waypost.err
    assert not target.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--domain", "contoso"), "no full domain"),
        (("--pool-fqdn", "10.0.0.1"), "10.0.0.1"),
        (("--sip-address", "10.0.0.1:5060"), "--listen"),
        (("--sip-address", "sip:chat@elsewhere.com"), "--domain elsewhere.com"),
        (("--listen", "proxy.contoso.com"), "is not an IP address"),
        (("--advertised-host", "a b"), "not a host name"),
    ],
)
def test_a_wrong_answer_writes_nothing(init, waypost, target, words, said):
    target.unlink(missing_ok=True)
    line = list(OPTIONS)
    if words[0] in line:
        at = line.index(words[0])
        line[at : at + 2] = words
    else:
        line += words
    assert init(*line) == 1
    assert said in waypost.err
    assert not target.exists()


def test_a_file_that_is_there_stays_without_force(init, waypost, target):
    target.write_text("# mine\n")
    assert init(*OPTIONS) == 1
    assert "--force" in waypost.err
    assert target.read_text() == "# mine\n"


def test_with_force_nothing_old_is_lost(init, waypost, target):
    for text in ("# first\n", "# second\n"):
        target.write_text(text)
        assert init(*OPTIONS, "--force", "--json") == 0, waypost.err
    kept = sorted(target.parent.glob("waypost.toml.old*"))
    assert [each.read_text() for each in kept] == ["# first\n", "# second\n"]
    assert waypost.json["kept"] == [str(kept[-1])]


def test_the_default_file_as_shipped_needs_no_force(init, waypost, target):
    target.write_text(default_text())
    assert init(*OPTIONS) == 0, waypost.err
    assert load_config(target, {}).domains == {"contoso.com"}


def test_the_same_again_changes_nothing(init, waypost, target):
    target.unlink(missing_ok=True)
    assert init(*OPTIONS) == 0
    before = target.stat().st_mtime_ns
    assert init(*OPTIONS) == 0
    assert target.stat().st_mtime_ns == before and "so already" in waypost.out


def test_a_folder_that_cannot_be_written_is_named(init, waypost, target):
    target.unlink(missing_ok=True)
    target.mkdir()
    assert init(*OPTIONS) == 1
    assert "cannot be written" in waypost.err


def test_a_person_is_asked_and_asked_again(tmp_path):
    """On a real terminal: a wrong answer is explained, and only that asked again."""
    target = tmp_path / "waypost.toml"
    end, other = pty.openpty()
    child = subprocess.Popen(
        [WAYPOST, "--config", str(target), "--json", "init"],
        stdin=other,
        stderr=other,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(other)
    talk = [
        ("SIP domain", "nothing"),
        ("is no full domain", ""),
        ("SIP domain", "contoso.com"),
        ("the new pool", "pcpool.contoso.com"),
        ("sip:ocschat@contoso.com", "ocschat@contoso.com"),
    ]
    heard = ""
    for question, answer in talk:
        limit = time.monotonic() + 10
        while question not in heard:
            assert time.monotonic() < limit, heard
            if select.select([end], [], [], 0.5)[0]:
                heard += os.read(end, 4096).decode()
        heard = heard.partition(question)[2]
        if answer:
            os.write(end, f"{answer}\n".encode())
    output, _ = child.communicate(timeout=30)
    os.close(end)
    assert child.returncode == 0
    assert json.loads(output)["ok"] is True
    assert load_config(target, {}).domains == {"contoso.com"}


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_who_stops_at_a_question_has_written_nothing(tmp_path, key):
    target = tmp_path / "waypost.toml"
    with asked(target) as (child, talk):
        talk("SIP domain", "contoso.com\n")
        talk("the new pool", key)
        said = talk("nothing was changed", "")
        assert child.wait(timeout=30) == 1
    assert said.endswith("\r\nwaypost: stopped: ") and not target.exists()


@pytest.mark.parametrize("is_taken", [True, False])
def test_nobody_is_asked_what_cannot_be_written(tmp_path, is_taken):
    target = tmp_path / "waypost.toml" / "waypost.toml"
    target.parent.write_text("mine") if not is_taken else target.mkdir(parents=True)
    if is_taken:
        target = target.parent / "mine.toml"
        target.write_text("mine")
    with asked(target) as (child, talk):
        said = talk("nothing was written" if is_taken else "cannot be written", "")
        assert child.wait(timeout=30) == 1
    assert "SIP domain" not in said


def is_asleep(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def takes_the_terminal():
    """As in a terminal; whoever runs us in the background has Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def asked(target):
    """`waypost init` on a real terminal; what answers one question of it."""
    end, other = pty.openpty()
    child = subprocess.Popen(
        [WAYPOST, "--config", str(target), "init"],
        stdin=other,
        stderr=other,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=takes_the_terminal,
    )
    os.close(other)
    heard = ""

    def talk(question, answer):
        nonlocal heard
        limit = time.monotonic() + 20
        while question not in heard:
            assert time.monotonic() < limit, heard
            if select.select([end], [], [], 0.5)[0]:
                heard += os.read(end, 4096).decode()
        before, _, heard = heard.partition(question)
        if answer:
            # The question is written before it is listened for: a Ctrl-C in between
            # would be taken by nobody.
            until(lambda: is_asleep(child.pid))
        os.write(end, answer.encode())
        return before

    try:
        yield child, talk
    finally:
        child.kill()
        child.wait()
        os.close(end)


MACHINE = """
set -e
cd /
mkdir "$1/etc" "$1/lib" "$1/run" "$1/units"
cp -a /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/nsswitch.conf "$1/etc"
cp -a /etc/hosts /etc/hostname "$1/etc" 2>/dev/null || true
echo 'nameserver 127.0.0.53' > "$1/etc/resolv.conf"
mkdir -p "$1/run/systemd/system"
mount --bind "$1/etc" /etc
mount --bind "$1/lib" /var/lib
mount --bind "$1/run" /run
for folder in /usr/lib/systemd/system /lib/systemd/system; do
    [ ! -d "$folder" ] || mount --bind "$1/units" "$folder"
done
shift
exec "$@"
"""
ALONE = ("unshare", "--mount", "--propagation", "private")
LOOK = """
"$@" && stat -c '%n %U:%G %a' /etc/waypost /etc/waypost/waypost.toml /var/lib/waypost
cat /etc/systemd/system/waypost.service /etc/systemd/system/waypost.socket
"""


def on_a_new_machine(folder, *line):
    """As root, in a mount namespace whose /etc, /var/lib and /run are new."""
    return subprocess.run(
        [*ALONE, "bash", "-c", MACHINE, "-", str(folder), *line],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith("WAYPOST_")},
    )


needs_root = pytest.mark.skipif(
    os.geteuid() != 0
    or shutil.which("systemd-sysusers") is None
    or subprocess.run([*ALONE, "true"], capture_output=True).returncode != 0,
    reason="mount namespaces and an account need root and systemd-sysusers",
)


@needs_root
def test_root_gets_account_units_and_a_store_that_is_the_accounts(tmp_path):
    line = (WAYPOST, "init", *OPTIONS, "--listen", "10.1.2.3:5070")
    done = on_a_new_machine(tmp_path, "bash", "-c", LOOK, "-", *line)
    assert "/etc/waypost root:waypost 750" in done.stdout, done.stderr
    assert "/etc/waypost/waypost.toml root:waypost 640" in done.stdout
    assert "/var/lib/waypost waypost:waypost 750" in done.stdout
    assert f"ExecStart={WAYPOST} serve" in done.stdout
    assert "ListenDatagram=10.1.2.3:5070" in done.stdout
    assert "systemctl enable --now waypost.socket waypost.service" in done.stdout
    config = load_config(tmp_path / "etc/waypost/waypost.toml", {})
    assert config.store_url == "sqlite:////var/lib/waypost/waypost.db"


@needs_root
def test_the_account_itself_has_tried_it(tmp_path):
    """With the command where every account can run it, and where none can."""
    done = on_a_new_machine(tmp_path, WAYPOST, "--json", "init", *OPTIONS)
    found = json.loads(done.stdout)
    assert found["account"] == "waypost"
    if reachable_by_all(Path(WAYPOST)) and reachable_by_all(Path(sys.executable)):
        assert found["ok"] is True, found["checks"]
        assert {"config", "store"} <= {each["name"] for each in found["checks"]}
    else:
        (step,) = found["checks"]
        assert "cannot run" in step["text"] and "/opt/waypost" in step["text"]
        assert done.returncode == 1


def reachable_by_all(path):
    real = path.resolve()
    return all(
        each.stat().st_mode & 0o005 == 0o005
        for each in (path, real, *path.parents, *real.parents)
    )
