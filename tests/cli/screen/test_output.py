"""Results that cannot be written or shown: full disks, closed streams, alphabets."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.admin.files import make_whole, write_whole
from proxy.admin.listener.token import TokenError, make_token
from proxy.cli.main import main
from proxy.cli.screen import output
from proxy.config import load_config

WAYPOST = str(Path(sys.executable).parent / "waypost")
NAME = "Citt\u00e0 \u2013 \u0141\u00f3d\u017a"
READ = (
    *("endpoint --help", "--version", "completion bash", "man", "endpoint get"),
    *("--json endpoint get", "endpoint export", "config default", "usage"),
)
ADDRESS = "b@contoso.test"
CHANGES = {
    f"endpoint new --sip-address {ADDRESS} --pool-fqdn p.q": "created",
    f"--json endpoint new --sip-address {ADDRESS} --pool-fqdn p.q": "created",
    f"New-CsPersistentChatEndpoint -SipAddress {ADDRESS} -PersistentChatPoolFqdn p.q "
    "-PassThru": "created",
    "endpoint set a@contoso.test --pool-fqdn p.q": "changed",
    "endpoint remove a@contoso.test": "removed",
    "endpoint retire a@contoso.test": "changed",
    "endpoint undo 1": "removed",
    "endpoint import rows.csv": "1 row: 1 create",
    "endpoint export --output out.csv": "wrote out.csv",
    "pool set p.q --port 5060": "created pool p.q",
    "cutover apply plan.toml --force": "cutover 1",
    "runbook --done backup": "backup is done",
    "user new alice --password-stdin": "created user alice",
}


@pytest.fixture
def folder(config_file):
    """A store with one endpoint, and files that commands read."""
    there = config_file.parent
    line = "endpoint new --quiet --sip-address a@contoso.test --pool-fqdn x.y".split()
    assert main([*line, "--display-name", NAME]) == 0
    (there / "rows.csv").write_text(f"SipAddress,Pool\n{ADDRESS},p.q\n")
    (there / "plan.toml").write_text(
        f'[[change]]\nsip_address = "{ADDRESS}"\npool_fqdn = "p.q"\ncreate = true\n'
    )
    return there


def run(*line, stdout=subprocess.PIPE, **more):
    more.setdefault("input", "secret\n" if more.get("text") else b"")
    return subprocess.run(
        [WAYPOST, *line], stdout=stdout, stderr=subprocess.PIPE, timeout=60, **more
    )


def sentence(done, as_json):
    """What is said on standard error: one sentence, and no traceback."""
    text = done.stderr.decode() if isinstance(done.stderr, bytes) else done.stderr
    assert "Traceback" not in text and "Exception" not in text
    if as_json:
        said = json.loads(text)
        assert said["exit_code"] == done.returncode
        return said["error"]
    (line,) = [x for x in text.splitlines() if "standard output" in x]
    return line


@pytest.mark.parametrize("line", READ)
def test_a_full_disk_is_one_sentence_and_an_exit_code(folder, line):
    with open("/dev/full", "w") as full:
        done = run(*line.split(), stdout=full, text=True, cwd=folder)
    said = sentence(done, "--json" in line)
    assert done.returncode == 1
    assert "No space left on device" in said and "nothing was changed" in said


@pytest.mark.parametrize("line", CHANGES)
def test_a_change_whose_report_is_lost_was_made_and_says_so(
    folder, monkeypatch, capsys, line
):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO("a long password\n"))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", output.standard_output(full.fileno()))
        code = main(line.split())
    said = capsys.readouterr().err
    assert code == 4, said
    assert f"the change WAS made: {CHANGES[line]}" in said
    assert said.count("\n") == 1


def test_a_reader_who_has_seen_enough_is_no_failure_and_a_change_is_told(folder):
    for line, code in (("endpoint get", 0), (next(iter(CHANGES)), 4)):
        ours, theirs = os.pipe()
        os.close(ours)
        done = run(*line.split(), stdout=theirs, text=True, cwd=folder)
        os.close(theirs)
        assert done.returncode == code
        assert ("WAS made" in done.stderr) == bool(code)
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_streams_that_are_closed_break_nothing(folder, closed, capsys):
    shut = " ".join(f"{number}>&-" for number in closed)
    for line, code in (("endpoint get", 1), (next(iter(CHANGES)), 4)):
        done = subprocess.run(
            ["sh", "-c", f"{WAYPOST} {line} {shut}"], capture_output=True, text=True
        )
        assert done.returncode == (code if 1 in closed else 0)
        assert "Traceback" not in done.stderr
        if 1 in closed and 2 not in closed:
            assert "Bad file descriptor" in done.stderr
    capsys.readouterr()
    assert main(["endpoint", "get"]) == 0  # the store is whole
    assert ADDRESS in capsys.readouterr().out


def test_an_error_that_cannot_be_told_either_keeps_its_exit_code(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [WAYPOST, "endpoint", "get", "x@contoso.test"], stdout=full, stderr=full
        )
        assert done.returncode == 1
        done = subprocess.run([WAYPOST, "nonsense"], stdout=full, stderr=full)
        assert done.returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
@pytest.mark.parametrize(
    "line",
    [
        *("endpoint get a@contoso.test", "--json endpoint get", "endpoint history"),
        *("endpoint export", "endpoint export --format json"),
        "endpoint set a@contoso.test --pool-fqdn z",
    ],
)
def test_what_an_alphabet_lacks_is_escaped(folder, encoding, line):
    done = run(*line.split(), env={**os.environ, "PYTHONIOENCODING": encoding})
    assert b"Traceback" not in done.stderr
    assert done.returncode == (1 if line.endswith(" z") else 0)
    if line == "endpoint export":
        # A file for programs has no escapes: it is UTF-8 where it must be.
        assert NAME in done.stdout.decode("utf-8")
        return
    shown = done.stdout.decode(encoding)
    if "json" in line:
        text = json.dumps(json.loads(shown), ensure_ascii=False)
        assert NAME in text
    elif line.startswith("endpoint get"):
        assert r"\u2013 \u0141" in shown


def test_an_export_survives_a_terminal_s_alphabet_and_comes_back(folder):
    done = run("endpoint", "export", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    (folder / "back.csv").write_bytes(done.stdout)
    done = run("endpoint", "import", str(folder / "back.csv"), text=True)
    assert done.stdout.endswith("1 row: 1 same\n")


# -- files ---------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if (
        shutil.which("mount") is None
        or subprocess.run(line, capture_output=True).returncode
    ):
        pytest.skip("only root may mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place):
    with open(place / "filler", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass


def test_an_export_onto_a_full_disk_leaves_the_older_one(folder, small_disk):
    file = small_disk / "endpoints.csv"
    assert run("endpoint", "export", "--output", str(file)).returncode == 0
    before = file.read_bytes()
    fill(small_disk)
    done = run("endpoint", "export", "--output", str(file), text=True)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr and "as it was" in done.stderr
    assert file.read_bytes() == before
    assert sorted(x.name for x in small_disk.iterdir()) == ["endpoints.csv", "filler"]


def test_a_token_that_does_not_fit_leaves_no_empty_file(small_disk):
    fill(small_disk)
    path = small_disk / "waypost.toml"
    path.symlink_to("/dev/null")
    text = '[proxy]\ndomains = ["a.b"]\n[[listen]]\ntransport = "udp"\n'
    elsewhere = small_disk.parent / "waypost.toml"
    elsewhere.write_text(
        f'{text}address = "127.0.0.5:5060"\n'
        f'[admin]\ntoken_file = "{small_disk}/admin.token"\n'
    )
    config = load_config(elsewhere)
    with pytest.raises(TokenError, match="No space left"):
        make_token(config)
    assert not (small_disk / "admin.token").exists()
    (small_disk / "filler").unlink()
    token = make_token(config)
    assert make_token(config) == token
    assert (small_disk / "admin.token").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_replaced_keeps_its_mode_and_stays_a_link(tmp_path):
    file, link = tmp_path / "real", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    write_whole(link, b"new")
    assert (file.read_text(), link.is_symlink()) == ("new", True)
    assert file.stat().st_mode & 0o777 == 0o640
    write_whole(Path("/dev/null"), b"gone")
    with pytest.raises(FileExistsError):
        make_whole(file, b"other", 0o600)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["link", "real"]
