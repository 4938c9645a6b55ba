"""The fourteen promises, in the order of docs/reliability.md."""

from typing import Final

from tests.promises import (
    changes,
    crashes,
    front_ends,
    hostile,
    leak,
    names,
    neighbours,
    storm,
    suites,
)
from tests.promises.model import Promise

PROMISES: Final = (
    Promise(
        "R1",
        "No input kills or hangs it",
        "0 exceptions; a message is read in 50 µs + 20 ns a byte at most",
        hostile.hostile_messages,
    ),
    Promise(
        "R2",
        "A dead front end costs nobody a chat",
        "every INVITE answered; first contact at most 2.1 s more, then 5 ms",
        front_ends.one_of_three_is_bad,
    ),
    Promise(
        "R3",
        "A front end that is back is used again",
        "within 30 s, each with its SRV share ± 20 %",
        front_ends.one_comes_back,
        is_timed=False,
    ),
    Promise(
        "R4",
        "A day without DNS is not noticed",
        "0 failures in 24 h (virtual); shown as stale after the TTL",
        names.a_day_without_dns,
        is_timed=False,
    ),
    Promise(
        "R5",
        "`kill -9` loses nothing acknowledged",
        "nothing lost or half done; start with 20,000 bindings at most 1 s",
        crashes.kills,
    ),
    Promise(
        "R6",
        "Established dialogs survive a restart",
        "every INFO and BYE after `kill -9` is answered",
        crashes.dialogs_across_a_restart,
        is_timed=False,
    ),
    Promise(
        "R7",
        "Reload and cutover drop nothing",
        "0 calls failed, 0 requests repeated, at 200 calls/s",
        changes.reload_under_load,
    ),
    Promise(
        "R8",
        "Drain is polite",
        "new ones 503 with Retry-After, dialogs go on, exit within 30 s",
        suites.drain,
        is_timed=False,
    ),
    Promise(
        "R9",
        "A storm bends it, does not break it",
        "dialogs lose nothing; 503 carries Retry-After; over within 60 s; goodput "
        "stays at least 0.8 of the maximum at three times the capacity",
        storm.sign_in_storm,
    ),
    Promise(
        "R10",
        "One bad peer harms only itself",
        "p99 of the others at most twice that without it",
        neighbours.bad_peers,
    ),
    Promise(
        "R11",
        "Loops end",
        "refused in one turn, at most 2 messages a hop more",
        suites.loops,
        is_timed=False,
    ),
    Promise(
        "R12",
        "No slow leak",
        "memory rises by less than 1 MB an hour; 0 transactions when idle",
        leak.steady_calls,
        is_timed=False,
    ),
    Promise(
        "R13",
        "Timers are the RFC's",
        "each at its exact instant, every state with every input",
        suites.timers,
        is_timed=False,
    ),
    Promise(
        "R14",
        "Same as Kamailio",
        "40 flows give the same messages, Route and Via structure",
        suites.twin,
        is_timed=False,
    ),
)
