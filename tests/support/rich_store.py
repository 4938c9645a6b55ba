"""A store that has something of everything, and all that can be asked of it."""

from proxy.endpoints.changes import (
    EndpointFields,
    RowChange,
    Rules,
    new_endpoint,
    set_pool,
)
from proxy.endpoints.model import Drain
from proxy.endpoints.pool_usage import BOUNDS, PoolUsage, UserDays
from proxy.endpoints.unknown import NOBODY
from proxy.endpoints.usage import Usage
from proxy.location.binding import Binding, BindingChange
from proxy.store import Actor, Conflict, User, open_store
from proxy.store.access import Access

ANNA = Actor("anna", "cli on box")
RULES = Rules(frozenset({"contoso.test"}))
KEY = "ocschat@contoso.test"
POOL = "pcpool.contoso.test"


async def fill_store(url):
    """Put something of everything into an empty store."""
    store = await open_store(url)
    decide = new_endpoint(KEY, EndpointFields(pool_fqdn=POOL), RULES, 1.25)
    await store.change(ANNA, "endpoint.new", decide, 1.25)
    decide = set_pool(POOL, RULES, transport="tls", port=5061)
    await store.change(ANNA, "pool.set", decide, 2.0)
    row = [RowChange(None, Drain("fe1.test", 5060, POOL, "patch", "anna", 1.5, 9e9))]
    await store.change(ANNA, "pool.drain", lambda table: row, 2.5)
    await store.learn("sip:GC-1@contoso.test", POOL, KEY, 3.1)
    await store.touch_learned({"gc-1@contoso.test": 4.7})
    # The key of a contact may have any octet but a line end (store/redis/registrar).
    key = bytes(each for each in range(256) if each != 10)
    changes = []
    for number in range(1200):
        aor = f"u{number}@contoso.test"
        made = Binding(aor, key, b"u", b"v", 0.7, 9e9 + 0.1, 1.5, b"c", 3)
        changes.append(BindingChange(aor, key, made))
    await store.save_bindings(changes)
    await store.set_user(
        User("alice", "contoso.test", {"SHA-256": "aa", "MD5": "bb"}, 5.5), "new", ANNA
    )
    await store.note_conflict(
        Conflict(KEY, "udp:10.0.0.1", "RTC", "sip:c", 1.5, 2.5, 7)
    )
    await store.add_usage(
        [Usage(KEY, "a@x", 1.5, 2.5, 9, 2, "ua", "e", "tcp:10.0.0.1")],
        [
            PoolUsage(KEY, POOL, 20_700, 0, 9, 2, 4, tuple(range(len(BOUNDS) + 1))),
            PoolUsage(KEY, POOL, 20_701, 3, 1),
            PoolUsage(KEY, "other.contoso.test", 20_701, 3, 5, 5),
        ],
        [
            UserDays(KEY, POOL, "a@x", (20_700, 20_701)),
            UserDays(KEY, "other.contoso.test", "b@x", (20_701,)),
        ],
    )
    await store.add_unknown(
        [
            Usage("chat@x", "a@x", 1.5, 2.5, 9, 9, "ua", "e", "tcp:10.0.0.1"),
            Usage(*NOBODY, 1.5, 2.5, 4, 4, "", "", ""),
        ]
    )
    await store.set_note("runbook", "ticked")
    token = Access("token", "ci", "viewer", "ab", ("x.test",), (), 1.5, "anna", 9.5)
    await store.set_access(token, "token.new", ANNA, 1.5, is_new=True)
    await store.note_access_use("token", "ci", 2.25, "10.0.0.1")
    await store.close()


async def everything(url):
    """All that can be asked of a store, to be compared."""
    store = await open_store(url)
    table = await store.load_table()
    found = (
        *(table.version, table.endpoints, table.pools, table.learned, table.cutover),
        table.drains,
        *(await store.history(), await store.history(KEY), await store.users()),
        sorted(each.row() for each in await store.bindings(None, 0.0)),
        *(await store.conflicts(), await store.usage(), await store.note("runbook")),
        *(await store.hmac_key(), await store.registrar_version()),
        *(await store.accesses(), await store.pool_usage(), await store.user_days()),
    )
    await store.close()
    return found
