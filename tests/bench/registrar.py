"""The registrar's yardstick: Kamailio's usrloc, every REGISTER written through.

Both proxies keep bindings in an SQLite file, and both answer when the row is in it.
"""

import sqlite3
from pathlib import Path

from tests.bench.world import PROXY, World
from tests.support.kamailio import Kamailio

SCHEMA = Path("/usr/share/kamailio/db_sqlite")
WAYPOST = """
[registrar]
enabled = true
trusted_networks = ["127.0.0.0/8"]
"""
CONFIG = """\
#!KAMAILIO
debug=0
log_stderror=yes
children=@CHILDREN@
tcp_children=1
tcp_max_connections=60000
auto_aliases=no
@LISTEN@

loadmodule "db_sqlite.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "sanity.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"

modparam("usrloc", "db_url", "sqlite:///@DATABASE@")
modparam("usrloc", "db_mode", 1)
modparam("registrar", "max_contacts", 10)

request_route {
    if (!mf_process_maxfwd_header("70")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }
    if (is_method("OPTIONS")) {
        sl_send_reply("200", "OK");
        exit;
    }
    if (!sanity_check("17895", "7")) exit;
    if (is_method("REGISTER")) {
        if (!save("location")) sl_reply_error();
        exit;
    }
    sl_send_reply("404", "Not Found");
}
"""


def kamailio(world: World, allocator: str) -> Kamailio:
    """A Kamailio with an empty database, not started."""
    database = world.directory / "kamailio.db"
    database.unlink(missing_ok=True)
    with sqlite3.connect(database) as connection:
        for name in ("standard", "usrloc"):
            connection.executescript((SCHEMA / f"{name}-create.sql").read_text())
    connection.close()
    return Kamailio(
        world.directory,
        PROXY,
        [],
        allocator=allocator,
        memory_mib=256,
        template=CONFIG.replace("@DATABASE@", str(database)),
    )
