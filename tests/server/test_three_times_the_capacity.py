"""More than it can serve, on a virtual clock: the listener, its filter, the carrier and
the core are real; processor, kernel and the other ends are played.

Reading, handling and sending a message take a fixed time of the one processor, so the
capacity is known and the same on every machine (`make promises` tries it on a real
one, R9).
"""

import asyncio
import heapq
import itertools
import random
from collections import deque

import pytest

from proxy.core import events
from proxy.net.datagrams import sieve
from proxy.net.datagrams.backlog import Pressure
from proxy.net.datagrams.depth import DATAGRAMS_A_TURN
from proxy.net.datagrams.sieve import PASSES
from proxy.net.datagrams.udp import UdpListener
from proxy.net.outbox import Outbox
from proxy.server import carrier as carriers
from proxy.server.carrier import Carrier
from tests.support.messages import ALIAS, lines_of, request, response
from tests.support.playbook import HOSTS, Playbook

READ, HANDLE, SEND = 0.00004, 0.0008, 0.0001
CALL = 5 * (READ + HANDLE) + 6 * SEND
"""What a call takes: INVITE, 200, ACK, BYE, 200 in, and a 100 more than that out."""
BUFFER = 600
"""Datagrams that wait in the kernel: half a second of work, as 4 MiB are on a fifth of
a core."""
WAY = 0.001
"""Seconds on the wire, one way."""
T1, T2, TIMER_B = 0.5, 4.0, 32.0
DIALOGS = 20
SECONDS = 8.0


class Kernel:
    """The socket of the listener, with the share of new messages that gets in."""

    family, share = 0, 1.0

    def __init__(self, machine):
        self.machine, self.waiting, self.dropped = machine, deque(), 0
        self.rng = random.Random(2)

    def arrive(self, data, source):
        lost = not data.startswith(PASSES) and self.rng.random() >= self.share
        if lost or len(self.waiting) >= BUFFER:
            self.dropped += 1
        else:
            self.waiting.append((data, source))

    def recvfrom(self, size):
        self.machine.spend(READ)
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.popleft()

    def recvmsg(self, *_):
        raise BlockingIOError

    def sendto(self, data, address):
        self.machine.spend(SEND)
        self.machine.after(WAY, self.machine.hear, data, address)

    def getsockname(self):
        return HOSTS["ourselves"], 5060

    def fileno(self):
        return 3

    def setblocking(self, flag):
        pass

    def setsockopt(self, *_):
        pass


class Machine:
    """One processor, and the world around it."""

    def __init__(self, monkeypatch):
        self.now, self.alarm_at = 1000.0, float("inf")
        self.numbers = itertools.count()
        self.world, self.timers = [], []  # what others do, and what the loop has to do
        self.callers = {}
        self.from_servers = deque()
        self.acknowledged = set()
        self.play = Playbook()
        self.kernel = Kernel(self)
        core, listener = self.play.core, self.play.flows.listeners[0]
        monkeypatch.setattr(carriers, "_monotonic", self.time)
        monkeypatch.setattr(sieve, "let_through", self.let_through)
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)
        self.carrier = Carrier(core, self, lambda *_: None, lambda _: None, self.arm)
        outbox = Outbox(self, self.carrier.batch_ended)
        pressure = Pressure(
            lambda on: self.carrier.event(events.Overload(on)), self.time
        )
        flows = self.play.flows
        self.listener = UdpListener(listener, flows, self, outbox, pressure)
        self.listener.open(self.kernel)

    # -- the event loop ----------------------------------------------------------

    def time(self):
        return self.now

    def call_later(self, seconds, callback, *arguments):
        entry = [self.now + seconds, next(self.numbers), callback, arguments]
        heapq.heappush(self.timers, entry)
        return Handle(entry)

    def add_reader(self, descriptor, readable):
        self.readable = readable

    def readable_servers(self):
        """Front ends have sockets of their own (datagrams/steady.py)."""
        for _ in range(min(len(self.from_servers), DATAGRAMS_A_TURN)):
            flow, data = self.from_servers.popleft()
            self.spend(READ)
            self.datagram(flow, data)
        self.carrier.batch_ended()

    def arm(self, at):
        self.alarm_at = at

    def run(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.others_act()
            if self.timers and self.timers[0][0] <= self.now:
                _, _, callback, arguments = heapq.heappop(self.timers)
                callback(*arguments)
            elif self.alarm_at <= self.now:
                self.alarm_at = float("inf")
                self.carrier.expire()
            elif self.from_servers:
                self.readable_servers()
            elif self.kernel.waiting:
                self.readable()
            else:
                ready = [each[0][0] for each in (self.world, self.timers) if each]
                self.now = min([*ready, self.alarm_at, end])

    # -- what the parts ask for --------------------------------------------------

    def spend(self, seconds):
        self.now += seconds
        self.others_act()

    def datagram(self, flow, data):
        postponed = self.play.core.overload.postponed
        self.carrier.message(flow, data)
        if self.play.core.overload.postponed == postponed:
            self.spend(HANDLE)

    def send(self, flow, data):
        self.listener.send(flow, data)

    def let_through(self, opened, share):
        self.kernel.share = share
        return True

    # -- the others --------------------------------------------------------------

    def after(self, seconds, what, *arguments):
        at = self.now + seconds
        heapq.heappush(self.world, (at, next(self.numbers), what, arguments))

    def others_act(self):
        while self.world and self.world[0][0] <= self.now:
            _, _, what, arguments = heapq.heappop(self.world)
            what(*arguments)

    def say(self, data, source):
        if source in self.callers:
            self.after(WAY, self.kernel.arrive, data, source)
        else:
            flow = self.play.flows.udp(self.listener.listener, *source)
            self.after(WAY, self.from_servers.append, (flow, data))

    def hear(self, data, address):
        if address in self.callers:
            self.callers[address].hear(data)
        elif data.startswith(b"ACK "):
            self.acknowledged.add(line(data, "Call-ID"))
        else:  # a front end
            contact = "Contact: <sip:pool@{}:{}>".format(*address)
            answer = response(data, 200, contact)
            if data.startswith(b"INVITE"):
                self.accept(answer, address, T1)
            else:
                self.say(answer, address)

    def accept(self, answer, address, wait):
        """RFC 3261 section 13.3.1.4: a 2xx is repeated until its ACK."""
        if line(answer, "Call-ID") not in self.acknowledged and wait < 64 * T1:
            self.say(answer, address)
            self.after(wait, self.accept, answer, address, 2 * wait)


class Handle:
    """A timer of the loop."""

    def __init__(self, entry):
        self.entry = entry

    def cancel(self):
        self.entry[2] = lambda *_: None


class Caller:
    """One call: INVITE, ACK, INFO each second while it holds, BYE."""

    def __init__(self, machine, number, hold):
        self.machine, self.hold = machine, hold
        self.me = f"10.1.1.{number % 50 + 1}", 30_000 + number
        self.name, self.count = f"c{number}", 0
        self.open = {}  # CSeq of what has no answer yet
        self.served_at = 0.0
        self.lost = []
        machine.callers[self.me] = self
        self.contact = "Contact: <sip:c@{}:{}>".format(*self.me)
        self.ask("INVITE", ALIAS, self.contact)

    def ask(self, method, uri, *lines, **more):
        """Send a request until it is answered; an ACK has its INVITE's number."""
        if method != "ACK":
            self.count += 1
        number = 1 if method == "ACK" else self.count
        via = "SIP/2.0/UDP {}:{};branch=z9hG4bK{}-{}{}".format(
            *self.me, self.name, number, method
        )
        more |= {"via": via, "call_id": self.name, "cseq": number}
        data = request(f"{method} {uri}", *lines, **more)
        if method == "ACK":
            self.machine.say(data, self.me)
        else:
            self.open[number] = method
            self.repeat(data, number, T1, self.machine.now + TIMER_B)

    def repeat(self, data, number, wait, end):
        if number not in self.open:
            return
        if self.machine.now >= end:
            self.lost.append(self.open.pop(number))
            return
        self.machine.say(data, self.me)
        later = 2 * wait if data.startswith(b"INVITE") else min(2 * wait, T2)
        self.machine.after(wait, self.repeat, data, number, later, end)

    def hear(self, data):
        number = int(line(data, "CSeq").split()[1])
        method = self.open.pop(number, "")
        if not data.startswith(b"SIP/2.0 2"):
            if not data.startswith(b"SIP/2.0 1"):
                self.lost.append(method)
            return  # Timer A stops at the 100 as well
        if line(data, "CSeq").endswith(b"INVITE"):
            uri = line(data, "Contact").partition(b"<")[2].rstrip(b">").decode()
            routes = [
                each.decode().replace("Record-Route", "Route")
                for each in lines_of(data, "Record-Route")
            ]
            to = line(data, "To").decode().removeprefix("To: ")
            self.dialog = uri, routes, to
            self.inside("ACK")
            if not self.served_at:
                self.served_at = self.machine.now
                self.go_on()

    def inside(self, method):
        uri, routes, to = self.dialog
        self.ask(method, uri, *routes, to=to)

    def go_on(self):
        left = self.served_at + self.hold - self.machine.now
        if left <= 0:
            self.inside("BYE")
        else:
            if self.machine.now > self.served_at:
                self.inside("INFO")
            self.machine.after(min(left, 1.0), self.go_on)


def line(data, name):
    return lines_of(data, name)[0]


def served(machine, rate, seconds=SECONDS):
    """New calls at a pace; how many of them are served in a second."""
    calls, first = [], len(machine.callers)
    for number in range(int(rate * seconds)):
        machine.after(
            number / rate,
            lambda number=number: calls.append(Caller(machine, first + number, 0.3)),
        )
    began = machine.now
    machine.run(seconds)
    assert len(calls) == int(rate * seconds)
    return sum(0 < each.served_at <= began + seconds for each in calls) / seconds


@pytest.mark.parametrize("times", [0.95, 1.2])
def test_around_its_capacity_it_serves_what_it_can(monkeypatch, times):
    rate = times / CALL
    goodput = served(Machine(monkeypatch), rate, 4.0)
    assert goodput >= 0.85 * min(rate, 1 / CALL)


def test_three_times_its_capacity_costs_no_dialog_anything_and_little_of_the_rest(
    monkeypatch,
):
    machine = Machine(monkeypatch)
    dialogs = [Caller(machine, number, SECONDS + 4.0) for number in range(DIALOGS)]
    machine.run(2.0)
    assert all(each.served_at for each in dialogs)
    # What the dialogs take is not there for calls.
    dialog = DIALOGS * (2 * (READ + HANDLE) + 2 * SEND)
    capacity = (1 - dialog) / CALL
    goodput = served(machine, 3 / CALL)
    assert machine.kernel.dropped > 100  # it was an overload
    assert goodput >= 0.8 * capacity, f"{goodput:.1f}/s of {capacity:.1f}"
    machine.run(40.0)
    assert [each.lost for each in dialogs] == [[]] * DIALOGS
    assert not any(each.open for each in dialogs)
    # It is over: no filter, nothing waits, and whoever calls is served at once.
    assert machine.kernel.share == 1.0 and not machine.play.core.overload.is_busy
    assert served(machine, 0.5 / CALL, 2.0) >= 0.4 / CALL
