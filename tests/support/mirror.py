"""Which modules have no test file of their own name, and why.

A module that decides something is tested in ``tests/<its folder>/test_<its name>.py``.
The lists here only shrink: whoever gives a module its file takes its line out.
"""

VALUES = frozenset(
    {
        *("config/console", "config/model", "config/problems", "config/recorder"),
        *("config/registrar", "config/secrets", "config/tls", "core/commands"),
        *("core/events", "core/registrar/under_way", "core/routing/target"),
        *("core/settings", "endpoints/model", "facts/model", "location/binding"),
        *("net/settings", "net/sink", "pools/front_end", "server/links"),
        *("server/part", "sip/cache", "sip/errors", "sip/finished", "sip/limits"),
        *("sip/native", "store/actor", "store/audit_row", "store/errors"),
    }
)
"""Values, protocols and constants: there is nothing to decide."""

WIRES = frozenset(
    {
        *("cli/app", "cli/session", "core/proxy", "net/network", "server/admin_door"),
        *("server/faults", "server/recording", "server/serve", "server/workers/part"),
    }
)
"""They put together what other modules decide."""

ROOMS: dict[str, str] = {
    "admin/doctor/": "cli/commands/test_doctor.py",
    "admin/observed/": "wire/test_console_observed.py",
    "admin/runbook/": "cli/commands/test_runbook.py",
    "cli/hosting/": "console/test_far.py",
    "console/": "console",
    "core/explained/": "core/explained/test_explanation.py",
    "facts/": "facts/test_rules.py",
    "journey/": "wire/test_legacy_journey.py",
    "lab/": "wire/test_lab.py",
    "server/chat_probe/": "wire/test_chat_probe.py",
    "server/workers/": "wire/test_workers.py",
    "store/redis/": "store",
    "store/sqlite/": "store",
}
"""Rooms whose modules only mean something together → the test file or folder that
judges all of them: a verb, a page, a process, or one suite for both stores."""

ON_SOCKETS: dict[str, str] = {
    "net/acceptor": "wire/test_places.py",
    "net/connector": "wire/test_tls.py",
    "net/tls_transport": "wire/test_tls_transport.py",
    "pools/prober": "wire/test_probes.py",
    "pools/resolver": "wire/test_resolver.py",
    "server/lifecycle": "wire/test_service.py",
    "server/probes": "wire/test_probes.py",
    "server/runtime": "wire/test_transports.py",
}
"""Modules that only real peers, name servers and signals can judge → where they do."""

ELSEWHERE = {**ROOMS, **ON_SOCKETS}
MOST_ELSEWHERE = 21
