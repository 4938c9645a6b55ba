"""What the lab's engine takes out of the machine's network again."""

from tests.lab.engine import without_bridge, without_docker

BEFORE = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"
DURING = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [7:420]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -s 10.0.0.9/32 -j DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j ACCEPT
-A FORWARD -i br-0123456789ab -j ACCEPT
-A FORWARD -i br-lan -j ACCEPT
COMMIT
"""


def test_dockers_rules_go_and_everybody_elses_stay() -> None:
    assert without_docker(DURING, BEFORE) == (
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [7:420]\n"
        "-A INPUT -s 10.0.0.9/32 -j DROP\n-A FORWARD -i br-lan -j ACCEPT\nCOMMIT\n"
    )


def test_a_policy_that_was_drop_before_stays_drop() -> None:
    before = BEFORE.replace("FORWARD ACCEPT", "FORWARD DROP")
    assert ":FORWARD DROP" in without_docker(DURING, before)


def test_the_rules_of_a_bridge_that_was_left_behind_go_and_no_others() -> None:
    left = "-A FORWARD -i br-0123456789ab -j ACCEPT\n"
    assert left in DURING
    assert without_bridge(DURING, "br-0123456789ab") == DURING.replace(left, "")
