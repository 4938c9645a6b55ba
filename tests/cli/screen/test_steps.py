"""How a step and a count of verdicts are shown."""

from proxy.admin.doctor.verdicts import Step
from proxy.cli.screen.steps import print_steps, print_summary


def test_a_step_has_its_time_and_what_to_do_and_moves_no_cursor(capsys):
    print_steps(
        [
            Step("a.test", "dns", "ok", "2 front ends", ms=1.5),
            Step("a.test", "tls", "unknown", "\x1b[2Jnot seen", "look there"),
        ]
    )
    first, second, fix = capsys.readouterr().out.splitlines()
    assert first == "ok      a.test  dns: 2 front ends  1.5 ms"
    assert second.startswith("unknown a.test  tls: ") and "\x1b" not in second
    assert fix == "        -> look there"


def test_every_verdict_is_counted(capsys):
    print_summary({"ok": 2, "unknown": 1})
    assert capsys.readouterr().out == "2 ok, 1 unknown\n"


def test_with_a_width_a_long_step_wraps_beside_its_verdict(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = "many words " * 12 + "and an address fe1.contoso.test:5060"
    print_steps([Step("a.test", "dns", "failed", text, "do " * 30)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].startswith("failed  a.test  dns: many")
    assert all(line.startswith("        ") for line in lines[1:])
    assert "fe1.contoso.test:5060" in " ".join(lines)


def test_on_a_terminal_a_verdict_has_its_colour(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    print_steps([Step("a.test", "dns", "failed", "nothing")])
    print_summary({"ok": 1, "failed": 0})
    out = capsys.readouterr().out
    assert "\x1b[31mfailed  \x1b[0ma.test" in out
    assert "\x1b[32m1 ok\x1b[0m, 0 failed" in out
    monkeypatch.setenv("NO_COLOR", "1")
    print_steps([Step("a.test", "dns", "failed", "nothing")])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    print_steps([Step("a.test", "dns", "failed", "nothing")])
    assert "\x1b" not in capsys.readouterr().out
