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
