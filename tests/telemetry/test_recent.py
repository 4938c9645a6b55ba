"""Calls and failures of the last minutes."""

from dataclasses import dataclass, field

from proxy.telemetry.recent import MINUTES, MOST_FRONT_ENDS, RecentCalls


@dataclass
class Record:
    pool: str = "pcpool"
    rule: str = "endpoint"
    attempts: list = field(default_factory=list)


def record(*outcomes, **words):
    return Record(attempts=[(*each, 0.1) for each in outcomes], **words)


def test_every_attempt_counts_for_its_front_end():
    recent = RecentCalls()
    recent.count(record(("fe1", "refused"), ("fe2", "200")), 1000.0)
    recent.count(record(("fe1", "200")), 1030.0)
    assert recent.of("pcpool", ["fe1"], 1030.0) == (2, 1, 0)
    assert recent.of("pcpool", ["fe2"], 1030.0) == (1, 0, 0)
    assert recent.of("other", ["fe1"], 1030.0) == (0, 0, 0)


def test_what_the_callee_says_is_no_failure_of_the_front_end():
    recent = RecentCalls()
    for outcome in ("486", "404", "603", "487"):
        recent.count(record(("fe1", outcome)), 1000.0)
    recent.count(record(("fe1", "503")), 1000.0)
    recent.count(record(("fe1", "timeout")), 1000.0)
    assert recent.of("pcpool", ["fe1"], 1000.0) == (6, 2, 0)


def test_older_minutes_are_forgotten_one_by_one():
    recent = RecentCalls()
    for minute in range(MINUTES + 5):
        recent.count(record(("fe1", "200")), 60.0 * minute)
    newest = 60.0 * (MINUTES + 4)
    assert recent.of("pcpool", ["fe1"], newest).calls == MINUTES
    assert recent.of("pcpool", ["fe1"], newest + 60).calls == MINUTES - 1
    assert recent.of("pcpool", ["fe1"], newest + 3600).calls == 0


def test_names_are_compared_without_case():
    recent = RecentCalls()
    recent.count(record(("FE1.test", "200"), pool="PcPool"), 0.0)
    assert recent.of("pcpool", ["fe1.TEST"], 0.0).calls == 1


def test_failures_in_dialogs_count_apart_by_name_or_address():
    recent = RecentCalls()
    recent.count(record(("fe1", "200")), 1000.0)
    recent.count_in_dialog("PcPool", "10.0.0.1", 1000.0)
    recent.count_in_dialog("pcpool", "FE1", 1010.0)
    recent.count_in_dialog("pcpool", "10.0.0.2", 1010.0)
    assert recent.of("pcpool", ["fe1", "10.0.0.1"], 1030.0) == (1, 0, 2)
    assert recent.of("pcpool", ["fe1"], 1000.0 + 60 * MINUTES) == (0, 0, 0)


def test_our_own_probes_do_not_count():
    recent = RecentCalls()
    recent.count(record(("fe1", "200"), rule="probe"), 0.0)
    assert recent.of("pcpool", ["fe1"], 0.0).calls == 0


def test_names_that_come_and_go_do_not_pile_up():
    recent = RecentCalls()
    for number in range(MOST_FRONT_ENDS + 1):
        recent.count(record((f"fe{number}", "200")), 0.0)
    assert recent.of("pcpool", ["fe0"], 0.0).calls == 0
    assert recent.of("pcpool", [f"fe{MOST_FRONT_ENDS}"], 0.0).calls == 1
