"""Every verb of the command has a route, so that pages and PowerShell can do it too."""

from proxy.cli.hosting.roles import ROLES, VERBS
from proxy.console.api.routing import role_of
from proxy.console.app import APIS

ROUTES = {
    ("endpoint", "get"): ("get_endpoints", "get_endpoint"),
    ("endpoint", "list"): ("get_endpoints",),
    ("endpoint", "history"): ("endpoint_history", "all_history"),
    ("endpoint", "export"): ("export_endpoints",),
    ("endpoint", "new"): ("new_endpoint",),
    ("endpoint", "set"): ("set_endpoint",),
    ("endpoint", "remove"): ("remove_endpoint",),
    ("endpoint", "retire"): ("retire_endpoint",),
    ("endpoint", "activate"): ("activate_endpoint",),
    ("endpoint", "undo"): ("undo_change",),
    ("endpoint", "import"): ("import_endpoints",),
    ("pool", "list"): ("get_pools",),
    ("pool", "show"): ("get_pool",),
    ("pool", "set"): ("set_pool",),
    ("pool", "drain"): ("drain_front_end",),
    ("pool", "undrain"): ("undrain_front_end",),
    ("binding", "list"): ("get_bindings",),
    ("binding", "remove"): ("remove_bindings",),
    ("user", "list"): ("get_users",),
    ("user", "new"): ("new_user",),
    ("user", "set"): ("set_user",),
    ("user", "remove"): ("remove_user",),
    ("cutover", "status"): ("cutover_status",),
    ("cutover", "list"): ("list_cutovers",),
    ("cutover", "plan"): ("look_at_cutover",),
    ("cutover", "apply"): ("apply_cutover",),
    ("cutover", "confirm"): ("confirm_cutover",),
    ("cutover", "rollback"): ("roll_cutover_back",),
    ("usage",): ("get_usage", "get_usage_of", "get_unknown"),
    ("usage", "forget"): ("forget_user",),
    ("status",): ("get_status",),
    ("trace",): (
        *("get_trace", "get_traces", "get_capture", "follow_calls", "get_bodies"),
    ),
    ("calls",): ("get_calls",),
    ("explain",): ("explain", "explain_plan"),
    ("doctor",): ("ask_doctor",),
    ("runbook",): (
        *("get_runbook", "begin_runbook", "reset_runbook", "runbook_report"),
        *("tick_step", "untick_step"),
    ),
    ("facts", "show"): ("show_facts",),
    ("facts", "check"): ("check_facts",),
    ("token", "list"): ("get_tokens",),
    ("token", "new"): ("new_token",),
    ("token", "revoke"): ("revoke_token",),
    ("person", "list"): ("get_people",),
    ("person", "new"): ("new_person",),
    ("person", "set"): ("set_person",),
    ("person", "remove"): ("remove_person",),
    ("config", "show"): ("get_config",),
    ("config", "check"): ("check_config",),
    ("store", "check"): ("check_store",),
    ("drain",): ("drain",),
}
LOOKS = {("runbook",): ("get_runbook", "runbook_report"), ("facts", "show"): ()}
"""Where a viewer may look although the command as a whole is an operator's."""


def routes():
    return {route.operation_id: route for each in APIS for route in each.router.routes}


def test_every_verb_has_its_routes():
    known = routes()
    assert set(ROUTES) == {*ROLES, *VERBS}
    missing = {name for names in ROUTES.values() for name in names} - set(known)
    assert not missing


def test_a_route_needs_the_role_that_its_verb_needs():
    known, roles = routes(), {**ROLES, **VERBS}
    found = {
        (path, name): role_of(known[name])
        for path, names in ROUTES.items()
        for name in names
        if name not in LOOKS.get(path, ())
    }
    assert found == {key: roles[key[0]] for key in found}
