"""By role what is done, by scope what is seen: the store under every route."""

from dataclasses import replace

import pytest

from proxy.admin import control, cutover, registrar, usage
from proxy.admin.access import tokens
from proxy.admin.access.guarded_store import READS, GuardedStore, allow
from proxy.admin.control import ControlError, Operator
from proxy.admin.history import undo_batch
from proxy.admin.unknown import get_unknown
from proxy.endpoints.changes import EndpointFields, RowChange, Rules
from proxy.endpoints.model import Endpoint
from proxy.endpoints.plan import parse_plan
from proxy.endpoints.unknown import NOBODY
from proxy.endpoints.usage import Usage
from proxy.location.binding import Binding, BindingChange
from proxy.store import Actor, Conflict, Store, User, open_store
from proxy.store.access import Access

POOL = "pcpool.contoso.test"
RULES = Rules(frozenset({"contoso.test", "other.test"}))
ADMIN = Access("token", "all", "admin", "")
SCOPED = Access("token", "part", "operator", "", domains=("other.test",))
ONE = Access("token", "one", "operator", "", endpoints=("mine@contoso.test",))
SERVICES = frozenset(
    "hmac_key learn touch_learned forget_learned try_write save_bindings news look_up"
    " forget_bindings note_conflict add_usage announce_node note_access_use"
    " hold_lease add_guarded forget_days add_unknown unknown_held tidy".split()
)
"""What only a running service, the command line, or the console for itself, does."""


@pytest.fixture
async def store(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/waypost.db")
    yield store
    await store.close()


def as_operator(store, access):
    guarded = GuardedStore(store, access)
    return Operator(
        guarded, RULES, Actor(access.name, "test"), lambda: 100.0,
        allow=lambda table, changes: allow(access, changes),
    )  # fmt: skip


async def new(store, address, access=ADMIN, **more):
    fields = EndpointFields(POOL)
    operator = as_operator(store, access)
    return await control.new_endpoint(operator, address, fields, **more)


@pytest.fixture
async def full(store):
    """Two domains with something of everything."""
    for key in ("mine@contoso.test", "chat@other.test"):
        await new(store, key)
        await store.add_usage([Usage(key, "a@x", 1.0, 2.0, 1, 0, "", "", "")])
        dialled = f"new{key}"
        await store.add_unknown([Usage(dialled, "b@x", 1.0, 2.0, 1, 1, "", "", "")])
        made = Binding(key, b"k", b"u", b"v", 1.0, 1e9, 1.0, b"c", 1)
        await store.save_bindings([BindingChange(key, b"k", made)])
        await store.note_conflict(Conflict(key, "udp:1", "", "", 1.0, 2.0))
        await store.set_user(User(key, "r", {"MD5": "x"}), "user.new", Actor("a", "b"))
    return store


def test_every_method_of_the_store_is_somebodys_business():
    named = READS | SERVICES | set(vars(GuardedStore))
    methods = {name for name in dir(Store) if not name.startswith("_")}
    missing = methods - named
    assert not missing, (
        f"{sorted(missing)}: may the console call it? Then say who and what, in "
        "guarded_store.py; if only the service does, name it in SERVICES here"
    )


def test_what_is_the_services_is_not_for_the_console(store):
    for name in SERVICES:
        with pytest.raises(AttributeError):
            getattr(GuardedStore(store, ADMIN), name)


async def test_a_viewer_changes_nothing(full):
    operator = as_operator(full, replace(ADMIN, role="viewer"))
    before = await full.history()
    refused = [
        control.new_endpoint(operator, "n@contoso.test", EndpointFields(POOL)),
        control.remove_endpoint(operator, "mine@contoso.test"),
        control.set_pool(operator, POOL, port=5060),
        registrar.remove_bindings(operator, "chat@other.test"),
        registrar.remove_user(operator, "chat@other.test"),
        tokens.new_token(operator, "t", "admin"),
        tokens.revoke_token(operator, "all"),
    ]
    for attempt in refused:
        with pytest.raises(ControlError) as refusal:
            await attempt
        assert refusal.value.kind in ("forbidden", "conflict"), attempt
    await operator.store.set_note("runbook", "x")
    assert await full.note("runbook") == ""
    assert await full.history() == before


@pytest.mark.parametrize(
    "access",
    [
        replace(ADMIN, role="viewer"), replace(ADMIN, role="operator"),
        replace(SCOPED, role="admin"), replace(ONE, role="admin"),
    ],
)  # fmt: skip
async def test_none_but_an_admin_of_everything_has_a_user_forgotten(full, access):
    before = await full.history()
    with pytest.raises(ControlError) as refusal:
        await usage.forget_user(as_operator(full, access), "a@x")
    assert refusal.value.kind == "forbidden"
    assert len(await full.usage()) == 2
    assert await full.history() == before
    assert await usage.forget_user(as_operator(full, ADMIN), "sip:A@x") == 2
    row = (await full.history())[0]
    assert (row.verb, row.key, row.actor.name) == ("usage.forget", "2 rows", "all")


async def test_what_nobody_serves_is_shown_within_the_scope(full):
    await full.add_unknown([Usage(*NOBODY, 1.0, 2.0, 9, 9, "", "", "")])

    async def seen(access):
        found = await get_unknown(as_operator(full, access))
        return [each.key for each in found]

    assert await seen(SCOPED) == ["newchat@other.test"]
    assert await seen(ONE) == []
    assert len(await seen(replace(ADMIN, role="viewer"))) == 3


async def test_who_looks_at_bodies_is_an_operator_of_everything_and_is_noted(full):
    look = "trace.bodies", "call-1", 7.5
    for access in (replace(ADMIN, role="viewer"), SCOPED, replace(ONE, role="admin")):
        with pytest.raises(ControlError):
            await GuardedStore(full, access).note_look(Actor("a", "b"), *look)
    may = GuardedStore(full, replace(ADMIN, role="operator"))
    await may.note_look(Actor("desk", "token"), *look)
    (row,) = await full.history("call-1")
    assert (row.verb, row.actor.name) == ("trace.bodies", "desk")


async def test_a_scope_writes_no_note_for_everybody(full):
    await full.set_note("runbook", "all")
    for access in (SCOPED, ONE, replace(SCOPED, role="viewer")):
        with pytest.raises(ControlError, match="leaves out"):
            await GuardedStore(full, access).set_note("runbook", "")
    assert await full.note("runbook") == "all"


async def test_an_operator_makes_no_tokens(store):
    operator = as_operator(store, replace(ADMIN, role="operator"))
    with pytest.raises(ControlError, match="needs admin"):
        await tokens.new_token(operator, "t", "viewer")


async def test_an_admin_with_a_scope_makes_no_tokens(store):
    operator = as_operator(store, replace(SCOPED, role="admin"))
    with pytest.raises(ControlError, match="leaves out"):
        await tokens.new_token(operator, "t", "viewer")


@pytest.mark.parametrize("access", [SCOPED, ONE])
async def test_a_scope_hides_what_is_not_in_it(full, access):
    mine = "chat@other.test" if access is SCOPED else "mine@contoso.test"
    guarded = GuardedStore(full, access)
    assert list((await guarded.load_table()).endpoints) == [mine]
    assert [x.endpoint_key for x in await guarded.usage()] == [mine]
    assert [x.aor for x in await guarded.bindings(None, 0.0)] == [mine]
    assert [x.endpoint_key for x in await guarded.conflicts()] == [mine]
    assert [x.name for x in await guarded.users()] == [mine]
    assert {row.key for row in await guarded.history()} == {mine}
    seen = [n for n in range(1, 9) if await guarded.audit_row(n)]
    assert {(await full.audit_row(number)).key for number in seen} == {mine}
    with pytest.raises(ControlError):
        await guarded.accesses()


async def test_a_change_of_many_is_taken_back_by_whoever_sees_all_of_it(full):
    rows = [
        RowChange(None, Endpoint(f"sip:{key}", key, POOL))
        for key in ("x@other.test", "y@contoso.test")
    ]
    await full.change(Actor("a", "b"), "endpoint.import", lambda table: rows, 60.0)
    numbers = {row.key: row.number for row in await full.history()}
    for key, why in (
        ("x@other.test", "not all that was changed with change [0-9]+ is yours"),
        ("y@contoso.test", "there is no import [0-9]+"),
    ):
        number = numbers[key]
        assert len(await GuardedStore(full, ADMIN).audit_batch(number)) == 2
        assert await GuardedStore(full, SCOPED).audit_batch(number) == []
        with pytest.raises(ControlError, match=why) as refusal:
            await undo_batch(as_operator(full, SCOPED), number)
        assert refusal.value.kind == "missing"


@pytest.mark.parametrize("what_if", [False, True])
async def test_a_scope_keeps_from_changing_what_is_not_in_it(full, what_if):
    assert (await new(full, "n@other.test", SCOPED, what_if=what_if)).changes
    with pytest.raises(ControlError, match=r"is for other\.test") as refusal:
        await new(full, "n@contoso.test", SCOPED, what_if=what_if)
    assert refusal.value.kind == "forbidden"
    operator = as_operator(full, SCOPED)
    with pytest.raises(ControlError, match="leaves out"):
        await control.set_pool(operator, POOL, port=5060, what_if=what_if)
    with pytest.raises(ControlError, match=r"no endpoint|leaves out"):
        await control.remove_endpoint(operator, "mine@contoso.test", what_if=what_if)


async def test_a_cutover_out_of_the_scope_is_neither_seen_nor_made(full):
    def plan(*addresses):
        changes = "".join(
            f'[[change]]\nsip_address = "{each}"\npool_fqdn = "b.contoso.test"\n'
            "no_live_binding = false\n"
            for each in addresses
        )
        return parse_plan(changes, "weekend.toml")

    both, mine = plan("mine@contoso.test", "chat@other.test"), plan("chat@other.test")
    operator = as_operator(full, SCOPED)
    with pytest.raises(ControlError, match="leaves out"):
        await cutover.apply(operator, both)
    assert (await cutover.apply(operator, mine)).changes
    assert await cutover.status(operator) is not None
    await cutover.roll_back(operator)
    await cutover.apply(as_operator(full, ADMIN), both)
    assert await cutover.status(operator) is None
    with pytest.raises(ControlError, match=r"no cutover|leaves out"):
        await cutover.roll_back(operator)
