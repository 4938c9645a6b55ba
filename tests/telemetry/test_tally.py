"""What access records are counted as."""

from dataclasses import dataclass, field

from proxy.sip.message import parse_message
from proxy.telemetry.tally import BOUNDS, AccessTally

REQUEST = (
    b"%b sip:ocschat@contoso.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n"
    b"From: <sip:a@contoso.test>;tag=1\r\nTo: <sip:ocschat@contoso.test>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 %b\r\nContent-Length: 0\r\n\r\n"
)


@dataclass
class Record:
    method: bytes = b"INVITE"
    status: int = 200
    seconds: float = 0.0
    pool: str = "pcpool"
    rule: str = "endpoint"
    attempts: list = field(default_factory=list)

    @property
    def request(self):
        return parse_message(REQUEST % (self.method, self.method))


def count(*records):
    tally = AccessTally()
    for record in records:
        tally.count(record)
    return tally


def test_requests_are_counted_by_method_and_class():
    tally = count(Record(), Record(status=504), Record(status=503))
    assert tally.finished == {("INVITE", "2xx"): 1, ("INVITE", "5xx"): 2}


def test_methods_nobody_knows_share_one_counter():
    tally = count(Record(method=b"ZAP"), Record(method=b"ZONK"))
    assert tally.finished == {("other", "2xx"): 2}


def test_attempts_are_counted_by_how_they_ended_and_all_but_the_first_as_failover():
    attempts = [("fe1", "refused", 0.0), ("fe2", "503", 0.1), ("fe3", "200", 0.1)]
    tally = count(Record(attempts=attempts), Record(attempts=attempts[2:]))
    assert tally.attempts == {
        ("pcpool", "refused"): 1,
        ("pcpool", "5xx"): 1,
        ("pcpool", "2xx"): 2,
    }
    assert tally.failovers == {"pcpool": 2}


def test_a_bound_belongs_to_its_own_bucket():
    tally = count(Record(seconds=BOUNDS[3]), Record(seconds=99.0))
    assert tally.buckets[3] == 1
    assert tally.buckets[-1] == 1
    assert tally.seconds == 99.0 + BOUNDS[3]


def test_a_chat_probe_of_our_own_is_no_request():
    tally = count(Record(rule="probe", attempts=[("fe1", "200", 0.1)]))
    assert not tally.finished and not tally.attempts and not any(tally.buckets)


def test_what_alerts_look_at_is_there_before_the_first_failure():
    tally = count(Record(status=503))
    tally.begin_at_zero(["pcpool"])
    assert tally.finished["INVITE", "5xx"] == 1
    assert {("REGISTER", "5xx"), ("other", "5xx")} <= tally.finished.keys()
    assert tally.failovers == {"pcpool": 0}
    tally.begin_at_zero(["pcpool", "new"])
    assert tally.failovers == {"pcpool": 0, "new": 0}
