"""Which modules have no test file of their own name, and why.

A module that decides something is tested in ``tests/<its folder>/test_<its name>.py``.
Both lists here only shrink: whoever gives a module its file takes its line out.
"""

WIRES = frozenset(
    {
        # values, protocols, constants: nothing to decide
        *("config/console", "config/model", "config/problems", "config/recorder"),
        *("config/registrar", "config/secrets", "config/tls", "core/commands"),
        *("core/events", "core/settings", "core/registrar/under_way"),
        *("endpoints/model", "facts/model", "location/binding", "net/settings"),
        *("net/sink", "pools/front_end", "server/links", "server/part", "sip/errors"),
        *("sip/cache", "sip/limits", "store/actor", "store/audit_row", "store/errors"),
        *("sip/finished", "sip/native"),
        # put together what others decide
        *("cli/app", "cli/session", "core/proxy", "net/network", "server/admin_door"),
        *("server/faults", "server/recording", "server/serve"),
        *("server/workers/part",),
    }
)
"""Modules that only hold values, or only wire others."""

ELSEWHERE: dict[str, str] = {
    # folders whose rooms are tested together
    "admin/observed/": "wire/test_console_observed.py",
    "admin/doctor/": "cli/commands/test_doctor.py",
    "admin/runbook/": "cli/commands/test_runbook.py",
    "console/": "console",
    "cli/hosting/": "console/test_far.py",
    "journey/": "wire/test_legacy_journey.py",
    "lab/": "wire/test_lab.py",
    "facts/": "facts/test_rules.py",
    # verbs: by the command that an operator types
    "cli/commands/binding": "cli/commands/test_registrar.py",
    "cli/commands/calls": "wire/test_trace.py",
    "cli/commands/console": "console",
    "cli/commands/person": "cli/commands/test_token.py",
    "cli/commands/pool_doubts": "cli/commands/test_endpoint.py",
    "cli/commands/trace": "wire/test_trace.py",
    "cli/commands/user": "cli/commands/test_registrar.py",
    "cli/completion": "cli/test_generated.py",
    "cli/line": "cli/test_process.py",
    "cli/main": "cli/test_process.py",
    "cli/man": "cli/test_generated.py",
    "cli/screen/pool_table": "cli/commands/test_pool.py",
    "cli/screen/chat_probe": "wire/test_chat_probe.py",
    "cli/screen/drained": "wire/test_drained.py",
    "cli/screen/spreadsheet": "wire/test_trace.py",
    "cli/serve": "cli/test_running.py",
    "cli/tree": "cli/test_generated.py",
    "clock": "wire/test_clock_set.py",
    # the configuration: sentence by sentence
    "config/file": "config/test_config.py",
    "config/section": "config/test_sentences.py",
    "config/validation": "config/test_sentences.py",
    # the core: by playbooks, which see all of it
    "core/routing/target": "core/forwarding/test_candidates.py",
    "core/explained/": "core/explained/test_explanation.py",
    "cli/commands/live_trace": "wire/test_trace.py",
    "server/hep_sender": "wire/test_trace.py",
    # on real sockets
    "net/acceptor": "wire/test_places.py",
    "net/connector": "wire/test_tls.py",
    "net/tls_transport": "wire/test_tls_transport.py",
    "pools/name_servers": "wire/test_name_servers.py",
    "pools/prober": "wire/test_probes.py",
    "pools/resolver": "wire/test_resolver.py",
    # as a process, with signals, stores and siblings
    "server/admin_pages": "wire/test_service.py",
    "server/carrier": "core/test_guard.py",
    "server/certificates": "wire/test_certificates.py",
    "server/drain": "wire/test_service.py",
    "server/chat_probe/": "wire/test_chat_probe.py",
    "server/event_log/hash_seed": "wire/test_event_log.py",
    "server/event_log/writer": "server/event_log/test_replay.py",
    "server/host/activation": "wire/test_service.py",
    "server/host/descriptors": "wire/test_service.py",
    "server/host/plain_loop": "net/test_event_loop.py",
    "server/lifecycle": "wire/test_service.py",
    "server/front_ends/seen": "wire/test_pool_show.py",
    "server/probes": "wire/test_probes.py",
    "server/runtime": "wire/test_transports.py",
    "server/store_side/conflict_book": "wire/test_registrar.py",
    "server/store_side/drains": "wire/test_drained.py",
    "server/store_side/follow": "wire/test_nodes.py",
    "server/store_side/guard": "wire/test_guard.py",
    "server/store_side/learned": "server/store_side/test_bounds.py",
    "server/store_side/ledger": "server/store_side/test_bounds.py",
    "server/store_side/registrar": "wire/test_registrar.py",
    "server/store_side/save_queue": "server/store_side/test_bounds.py",
    "server/store_side/store_look_ups": "wire/test_shared_redis.py",
    "server/store_side/users_left": "wire/test_dashboard.py",
    "server/store_side/store_writes": "wire/test_store_writes.py",
    "server/workers/": "wire/test_workers.py",
    # one suite for both stores
    "store/redis/": "store",
    "store/sqlite/": "store",
}
"""Module, or a room that ends with "/" → the test file or folder that judges it."""
