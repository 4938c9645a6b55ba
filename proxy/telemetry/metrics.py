"""The metrics: their names, once, and the text that Prometheus reads.

``CATALOGUE`` is the whole list; ``docs/metrics.md`` shows it and a test compares the
two.  Values are read from plain integers at the moment of a scrape
(``server/readings.py``): the message path never sees this module.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

from proxy.telemetry.tally import BOUNDS, AccessTally

Kind = Literal["counter", "gauge", "histogram"]
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Description(NamedTuple):
    """One metric: name, kind, names of its labels, and what it says."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


class Reading(NamedTuple):
    """One value, with the values of its labels in the order of the catalogue."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


Read = Callable[[], Iterable[Reading]]


_COUNTERS: Final = (
    ("requests_received_total", "method", "SIP requests that arrived"),
    ("responses_received_total", "", "SIP responses that arrived"),
    ("responses_sent_total", "class", "Responses sent to clients, by class of status"),
    (
        "requests_finished_total",
        "method class",
        "Requests outside dialogs that have their final answer",
    ),
    ("requests_refused_total", "", "Requests that we refused ourselves"),
    (
        "requests_shed_total",
        "reason",
        "Requests refused for want of memory, of transactions, or of processor"
        " (overload)",
    ),
    ("requests_postponed_total", "", "New requests that waited in an overload"),
    (
        "answers_withheld_total",
        "",
        "Answers not sent to a UDP address that has not shown to hear us",
    ),
    ("attempts_total", "pool outcome", "Attempts at front ends, by how they ended"),
    (
        "pool_panics_total",
        "pool",
        "Requests that came while all front ends were ejected: tried all the same",
    ),
    ("failovers_total", "pool", "Further attempts that a request needed"),
    ("transactions_started_total", "side", "Transactions begun"),
    (
        "retransmissions_received_total",
        "",
        "Requests that arrived again and were absorbed",
    ),
    ("retransmissions_sent_total", "", "Messages that we sent again"),
    ("messages_malformed_total", "", "Messages that could not be read"),
    (
        "messages_ignored_total",
        "",
        "Of these: too many of one stranger in a second, so nothing was done",
    ),
    ("responses_stray_total", "", "Responses that no request of ours waits for"),
    ("messages_dropped_total", "reason", "Messages that we could not send"),
    (
        "datagrams_refused_total",
        "",
        "Datagrams that ICMP or the kernel gave back",
    ),
    (
        "datagrams_unread_total",
        "",
        "Datagrams that the kernel dropped: its queue was full, or an overload let no"
        " more in",
    ),
    ("keepalives_received_total", "", "Keep-alives, datagrams and streams together"),
    ("connections_accepted_total", "", "Connections accepted"),
    (
        "connections_refused_total",
        "reason",
        "Connections refused by a limit: source, network, full, descriptors",
    ),
    ("connections_opened_total", "", "Connections that we opened"),
    ("connects_failed_total", "", "Connections that we could not open"),
    ("connections_shed_total", "reason", "Connections that we gave up"),
    ("handshakes_failed_total", "", "TLS handshakes of clients that failed"),
    ("dns_queries_total", "", "Questions to name servers"),
    ("dns_failures_total", "", "Questions that no name server answered"),
    ("probes_total", "result", "Probes of front ends that calls found wanting"),
    ("chat_probes_total", "result", "Chat starts that we played ourselves"),
    (
        "registrations_total",
        "result",
        "REGISTERs answered here: accepted, refused, or challenged (asked for a "
        "password)",
    ),
    (
        "password_tries_total",
        "result",
        "Passwords that were wrong, and tries that were held back unseen",
    ),
    ("suspects_total", "what", "Sources found guessing passwords or scanning"),
    (
        "answers_delayed_total",
        "",
        "Answers held back to slow down whoever guesses or scans",
    ),
    ("conflicts_total", "", "REGISTERs for an address that is an endpoint"),
    ("learned_uris_refused_total", "", "Service URIs that pools must not have"),
    ("look_ups_total", "result", "Addresses unknown here that the store was asked for"),
    ("access_lines_total", "result", "Access lines written and dropped"),
    (
        "recorder_calls_gone_total",
        "reason",
        "Calls that the flight recorder was to keep and has not: evicted (for newer "
        "ones), skipped (too many at a time)",
    ),
    ("hep_messages_total", "result", "Messages for the HEP server, sent and lost"),
    (
        "log_lines_dropped_total",
        "reason",
        "Lines of the log that were not written: reader (it stands still or has "
        "gone), repeated (told once already)",
    ),
    (
        "certificate_reload_failures_total",
        "",
        "New certificate files that were no good; the old ones stay",
    ),
    (
        "task_restarts_total",
        "task",
        "Background tasks that failed and were begun again",
    ),
    (
        "unsaved_dropped_total",
        "kind",
        "Things given up because the store took no changes: usage (a name, not the "
        "count), uri, use, conflict, registration",
    ),
    ("worker_restarts_total", "", "Workers that died and were replaced"),
    (
        "handovers_total",
        "kind",
        "Messages passed between workers: message, flow (sent on a sibling's "
        "connection), dropped",
    ),
    ("errors_total", "", "Faults of our own; each one is in the log"),
    ("process_cpu_seconds_total", "", "Processor time, user and system"),
)
_GAUGES: Final = (
    ("info", "version", "1; the version is the label"),
    ("up_seconds", "", "Seconds since the start"),
    ("ready", "", "1 while new requests are welcome"),
    ("draining", "", "1 from the begin of a drain"),
    ("overloaded", "", "1 while new dialogs and registrations have to wait"),
    ("workers", "", "Processes that serve"),
    ("tasks_down", "", "Background tasks that have failed and do not hold yet"),
    ("nodes", "", "Nodes of the store that are alive, this one included"),
    ("transactions", "side", "Live transactions"),
    ("held_bytes", "kind", "Bytes held: requests with their answers, buffers"),
    ("held_bytes_limit", "kind", "Bytes that may be held"),
    ("searches", "", "Requests that have no final answer yet"),
    ("connections", "direction", "Open connections"),
    ("udp_flows", "", "Remote UDP addresses remembered"),
    ("endpoints", "state", "Endpoints in the table"),
    ("learned_uris", "", "Service URIs learned from pools"),
    ("bindings", "", "Contacts registered here"),
    ("table_version", "", "The version of the endpoint table in force"),
    ("store_up", "", "1 while the store answers and takes changes"),
    ("store_writable", "", "1 while the store takes changes, as far as it answers"),
    (
        "store_unwritable_seconds",
        "",
        "Seconds since the store takes no changes; 0 while it does",
    ),
    ("restart_pending", "", "Keys of the configuration that wait for a restart"),
    ("cutover_pending", "", "1 while a cutover waits to be confirmed"),
    ("cutover_left_seconds", "", "Seconds until it is rolled back by itself"),
    (
        "cutover_rolled_back",
        "",
        "1 for a day after one was rolled back by itself",
    ),
    (
        "cutover_overdue_seconds",
        "",
        "Seconds since an unconfirmed cutover should have been rolled back",
    ),
    ("guard_armed", "", "1 while the guard of a cutover may roll it back"),
    (
        "guard_rolled_back",
        "",
        "1 from a rollback by the guard until the next cutover",
    ),
    (
        "guard_calls",
        "result",
        "Calls since the guarded cutover that went to the new pool, of all nodes",
    ),
    (
        "legacy_users",
        "pool",
        "Legacy users of the last 14 days, by the pool that each was at last",
    ),
    (
        "unknown_callers",
        "",
        "Pairs of address and caller that `usage --unknown` lists, at most 10,000",
    ),
    (
        "unknown_nameless",
        "",
        "Requests that it counts without a name, because there was no room",
    ),
    (
        "store_away_seconds",
        "",
        "Seconds since the store last answered; 0 while it does",
    ),
    (
        "certificate_expiry_seconds",
        "file",
        "Seconds until the first of our certificate and its chain ends",
    ),
    ("pool_front_ends", "pool", "Front ends that DNS names for a pool"),
    ("pool_front_ends_available", "pool", "Those that are neither ejected nor drained"),
    (
        "front_end_state",
        "pool front_end address transport state",
        "1 for the state a front end is in: healthy, suspect or ejected",
    ),
    (
        "front_end_drained",
        "pool front_end address transport",
        "1 while an operator keeps new dialogs from it",
    ),
    (
        "chat_probe_success",
        "pool front_end address transport",
        "1 while our own chat start comes to its end at this front end",
    ),
    (
        "chat_probe_seconds",
        "pool front_end address transport step",
        "How long each step of the newest chat start took",
    ),
    ("dns_age_seconds", "pool", "Seconds since DNS last told all about a pool"),
    (
        "dns_stale_seconds",
        "pool",
        "Seconds that DNS has failed or denied a pool",
    ),
    ("process_resident_bytes", "", "Resident memory"),
    ("process_open_files", "", "Open file descriptors"),
)
_DURATION: Final = "waypost_request_duration_seconds"
_HISTOGRAMS: Final = (
    (
        "request_duration_seconds",
        "",
        "Requests outside dialogs, from arrival to the final answer",
    ),
)


def _described() -> Iterator[Description]:
    table: dict[Kind, tuple[tuple[str, str, str], ...]] = {
        "counter": _COUNTERS,
        "gauge": _GAUGES,
        "histogram": _HISTOGRAMS,
    }
    for kind, rows in table.items():
        for name, labels, text in rows:
            yield Description(f"waypost_{name}", kind, tuple(labels.split()), text)


CATALOGUE: Final = {each.name: each for each in _described()}


class Metrics:
    """Reads everything; ``exposition`` is the body of a scrape."""

    def __init__(self, read: Read, tally: AccessTally) -> None:
        self._read = read
        self._tally = tally

    def exposition(self) -> bytes:
        """Every value, in Prometheus's text format 0.0.4.

        Raises KeyError for a name outside the catalogue.
        """
        samples: dict[str, list[str]] = {name: [] for name in CATALOGUE}
        for name, value, labels in (*self._read(), *_tallied(self._tally)):
            pairs = zip(CATALOGUE[name].labels, labels, strict=True)
            samples[name].append(_sample(name, value, *pairs))
        samples[_DURATION] += _histogram(self._tally)
        lines = []
        for name, each in CATALOGUE.items():
            lines.append(f"# HELP {name} {each.help}\n# TYPE {name} {each.kind}\n")
            lines += samples[name]
        return "".join(lines).encode()


def _sample(name: str, value: float, *labels: tuple[str, str]) -> str:
    """A line: ``name{label="value"} 1.0``, labels in the order of their names."""
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in sorted(labels))
    return (
        f"{name}{{{pairs}}} {float(value)}\n" if pairs else f"{name} {float(value)}\n"
    )


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _tallied(tally: AccessTally) -> Iterator[Reading]:
    for labels, count in tally.finished.items():
        yield Reading("waypost_requests_finished_total", count, labels)
    for labels, count in tally.attempts.items():
        yield Reading("waypost_attempts_total", count, labels)
    for pool, count in tally.failovers.items():
        yield Reading("waypost_failovers_total", count, (pool,))


def _histogram(tally: AccessTally) -> Iterator[str]:
    """Cumulative buckets with their bounds, their count and the sum."""
    bounds = [f"{bound:g}" for bound in BOUNDS] + ["+Inf"]
    total = 0
    for bound, count in zip(bounds, tally.buckets, strict=True):
        total += count
        yield _sample(f"{_DURATION}_bucket", total, ("le", bound))
    yield _sample(f"{_DURATION}_count", total)
    yield _sample(f"{_DURATION}_sum", tally.seconds)
