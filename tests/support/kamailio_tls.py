"""Kamailio with its TLS module: a front end before us, or a pool member behind us.

It keeps registrations, relays the rest to one next hop, record-routes dialogs, shows
its certificate and wants one from everybody: the independent other end of our TLS.
"""

from dataclasses import dataclass
from pathlib import Path

from proxy.net.tls import TlsFiles
from tests.support.kamailio import Kamailio
from tests.support.ports import free_port
from tests.support.sip_probe import Address

_CONFIG = """\
#!KAMAILIO
debug=0
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
enable_tls=yes
tcp_accept_aliases=yes
tcp_connection_lifetime=3605
@LISTEN@
listen=tls:#HOST#:#TLS#
dns=no
rev_dns=no
dns_try_ipv6=no
dns_try_naptr=no

loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "tls.so"
modparam("tls", "config", "#DIRECTORY#/tls.cfg")
modparam("tm", "fr_timer", 1500)
modparam("tm", "failure_reply_mode", 3)

request_route {
    if (is_method("OPTIONS")) {
        sl_send_reply("200", "OK");
        exit;
    }
    if (has_totag()) {
        loose_route();
        # What a name server would tell it of us.
        if ($du =~ "@#NAME#") $du = "#WAYPOST#";
        t_relay();
        exit;
    }
    if (is_method("INVITE|SUBSCRIBE")) record_route();
    if (is_method("REGISTER")) {
        save("location");
        exit;
    }
    if (lookup("location")) {
        if ($rd == "#NAME#") $du = "#WAYPOST#";
        t_relay();
        exit;
    }
    $du = "@TARGET1@";
    t_relay();
}
"""
_TLS = """\
[server:default]
method = TLSv1.2+
certificate = {0.certificate}
private_key = {0.key}
ca_list = {0.ca}
verify_certificate = yes
require_certificate = yes

[client:default]
method = TLSv1.2+
certificate = {0.certificate}
private_key = {0.key}
ca_list = {0.ca}
verify_certificate = yes
require_certificate = yes
server_name = {1}
"""


@dataclass(slots=True)
class Relay:
    """One Kamailio: UDP and TCP at ``plain``, TLS at ``secure``."""

    plain: Address
    secure: Address
    process: Kamailio


def relay(
    directory: Path,
    host: str,
    shown: TlsFiles,
    target: str,
    waypost: Address,
    name: str,
) -> Relay:
    """A relay to the URI ``target``, not started yet; ``name`` at ``waypost`` is us."""
    directory.mkdir()
    plain, secure = (host, free_port(host)), (host, free_port(host))
    (directory / "tls.cfg").write_text(_TLS.format(shown, name))
    text = _CONFIG
    for key, value in {
        "HOST": host,
        "TLS": str(secure[1]),
        "DIRECTORY": str(directory),
        "NAME": name,
        "WAYPOST": f"sip:{waypost[0]}:{waypost[1]};transport=tls",
    }.items():
        text = text.replace(f"#{key}#", value)
    process = Kamailio(directory, plain, [target], template=text)
    return Relay(plain, secure, process)
