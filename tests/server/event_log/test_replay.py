"""A writer around a core without sockets, and the replay of what it wrote."""

from dataclasses import dataclass, field

import pytest

from proxy.core import commands, events
from proxy.core.proxy import ProxyCore
from proxy.core.settings import CoreSettings
from proxy.endpoints.table import EndpointTable
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.server.event_log.__main__ import main
from proxy.server.event_log.file import EventLogError, read_lines
from proxy.server.event_log.replay import Replay
from proxy.server.event_log.writer import EventLog
from proxy.sip.flow import FlowTable, Listener
from tests.support.messages import request, response
from tests.support.playbook import POOL, endpoint

FRONT_ENDS = [FrontEnd("udp", f"10.0.1.{n}", 5060, f"fe{n}", POOL) for n in range(1, 6)]


@dataclass
class Carrier:
    """In place of the real one: keeps what it shall carry out."""

    out: list = field(default_factory=list)
    armed_for: float = 0.0
    tape: None = None

    def carry_out(self, commands_):
        self.out += commands_

    def batch_ended(self):
        pass


class Run:
    """A core with a writer around it; `lookups` is the resolver's memory."""

    def __init__(self, path):
        self.path = path
        self.event_log = EventLog(path)
        self.flows = FlowTable([Listener("udp", "10.0.0.5", 5060)])
        self.flows.is_friend = lambda host: host.startswith("10.0.1.")
        settings = CoreSettings(domains=frozenset({"contoso.test"}), keys=(b"key",))
        table = EndpointTable((endpoint(),))
        writer = self.event_log.begin(settings, self.flows, table)
        self.lookups = {}
        cached = writer.cached(lambda lookup, now: self.lookups.get(lookup))
        self.core = ProxyCore(settings, self.flows, cached, table, writer.rng)
        self.carrier = Carrier()
        writer.around(self.core, self.carrier)
        self.writer = writer

    def knows(self, front_ends):
        lookup = Lookup(POOL)
        groups = {"udp": (tuple(front_ends),)} if front_ends else {}
        self.lookups[lookup] = Resolution(lookup, groups, expires=1e9)

    def call(self, number):
        flow = self.flows.udp(self.flows.listeners[0], "10.1.0.9", 40000 + number)
        self.writer.message(flow, request(branch=f"z9hG4bK-{number}"))

    def answer(self, status):
        last = [x for x in self.carrier.out if isinstance(x, commands.Send)][-1]
        self.writer.message(last.flow, response(last.data, status))

    def replay(self):
        self.event_log.close()
        return list(Replay(read_lines(self.path)).turns())


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "events")


def test_weights_and_answers_of_dns_come_out_as_they_were(run):
    run.knows(FRONT_ENDS)
    for number in range(20):
        run.call(number)
        run.answer(200)
        if number == 10:
            run.knows(FRONT_ENDS[3:])
    turns = run.replay()
    assert len(turns) == 40
    assert all(turn.agrees for turn in turns)
    used = {str(x) for turn in turns for x in turn.did if x["o"] == "Send"}
    assert len(used) > 20
    assert sum(len(turn.did) for turn in turns) == len(run.carrier.out)


def test_time_that_passes_is_a_turn(run):
    run.knows(FRONT_ENDS[:1])
    run.call(1)
    run.writer.expire()
    assert [turn.event is None for turn in run.replay()] == [False, True]


def test_what_the_core_cannot_do_alone_is_an_event(run):
    run.writer.event(events.Draining())
    run.call(1)
    turns = run.replay()
    assert all(turn.agrees for turn in turns)
    assert "503" in str(turns[1].did)


def test_a_line_whose_turn_never_ended_is_told(run, capsys):
    run.knows(FRONT_ENDS)
    run.call(1)
    run.event_log.close()
    lines = run.path.read_text().splitlines()
    run.path.write_text("\n".join(lines[:-1]) + "\n")
    assert main([str(run.path)]) == 0
    assert "step 1 was not finished" in capsys.readouterr().out


def test_another_randomness_is_seen(run, capsys):
    run.knows(FRONT_ENDS)
    for number in range(10):
        run.call(number)
    run.event_log.close()
    text = run.path.read_text()
    head, _, rest = text.partition("\n")
    at = head.index('"seed":"') + 8
    run.path.write_text(head[:at] + "0" + head[at + 1 :] + "\n" + rest)
    assert main([str(run.path)]) == 1
    assert "differs; recorded were" in capsys.readouterr().out


def test_a_head_without_sense_is_told(tmp_path, capsys):
    (tmp_path / "events").write_text('{"format":1}\n')
    assert main([str(tmp_path / "events")]) == 3
    assert "has no beginning" in capsys.readouterr().err
    with pytest.raises(EventLogError, match="has no beginning"):
        Replay([])
