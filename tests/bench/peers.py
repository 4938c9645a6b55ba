"""Proxies that Debian does not have: a build of OpenSIPS or of repro, where one is.

    make bench ARGS='--peer opensips=/opt/opensips/sbin/opensips'

Each gets the job that Kamailio and Waypost have here: one worker, the alias to the
pool found over DNS SRV, Record-Route, later requests by Route; no log of calls.  No
TLS, and no REGISTER: what they do with one is not what a durable answer costs.
"""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.world import DOMAIN, PROXY, World
from tests.support.sip_probe import answers_options

KINDS: Final = ("opensips", "repro")

OPENSIPS = """\
log_level=-1
stderror_enabled=yes
syslog_enabled=no
udp_workers=1
tcp_workers=1
auto_aliases=no
alias="{domain}"
socket=udp:{host}:{port}
socket=tcp:{host}:{port}
dns=no
rev_dns=no
dns_try_ipv6=no
dns_try_naptr=no
mpath="{modules}/"
loadmodule "proto_udp.so"
loadmodule "proto_tcp.so"
loadmodule "signaling.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "sipmsgops.so"
modparam("tm", "fr_timeout", 4)
modparam("tm", "fr_inv_timeout", 30)
modparam("rr", "append_fromtag", 0)

route {{
    if (!mf_process_maxfwd_header(70)) {{
        send_reply(483, "Too Many Hops");
        exit;
    }}
    if (is_method("OPTIONS") && is_myself("$rd") && $rU == NULL) {{
        send_reply(200, "OK");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (!is_method("ACK") && t_check_trans()) exit;
    if (has_totag()) {{
        if (loose_route()) {{
            if (!t_relay()) sl_reply_error();
            exit;
        }}
        if (is_method("ACK")) {{
            if (t_check_trans()) t_relay();
            exit;
        }}
        send_reply(404, "Not Found");
        exit;
    }}
    remove_hf("Route");
    if ($rU == "ocschat" && $rd == "{domain}") {{
        if (is_method("INVITE|SUBSCRIBE|REFER|PUBLISH")) record_route();
        $du = "{target};transport=" + $socket_in(proto);
        if (!t_relay()) sl_reply_error();
        exit;
    }}
    send_reply(404, "Not Found");
}}
"""

REPRO = """\
LoggingType = cerr
LogLevel = CRIT
Transport1Interface = {host}:{port}
Transport1Type = UDP
Transport1RecordRouteUri = auto
Transport2Interface = {host}:{port}
Transport2Type = TCP
Transport2RecordRouteUri = auto
Domains = {domain}
DatabasePath = {directory}
DisableAuth = true
DisableHttpAuth = true
HttpPort = 0
CommandPort = 0
DisableRegistrar = true
DisableOutbound = true
EnableFlowTokens = false
ForceRecordRouting = true
CongestionManagement = false
Routes = <{target}>
"""


def kind_of(name: str) -> str:
    """``opensips`` or ``repro`` of ``KIND=PATH``; empty for anything else."""
    kind, equals, _ = name.partition("=")
    return kind if equals and kind in KINDS else ""


def checked(name: str) -> str:
    """The argument of ``--peer``; raises ValueError that says what is wrong with it."""
    path = Path(name.partition("=")[2])
    if not kind_of(name):
        raise ValueError(f"{name}: say opensips=PATH or repro=PATH")
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give the path of the executable")
    return name


def modules_of(opensips: Path) -> Path:
    """Where the modules of a build lie: beside it in its source, or installed."""
    beside = opensips.parent / "modules"
    found = [beside, *opensips.parent.parent.glob("lib*/**/opensips/modules")]
    for path in found:
        if path.is_dir():
            return path
    raise RuntimeError(f"{opensips}: no modules in {beside} or in a lib beside it")


def running_peer(
    name: str, world: World, scenario: str, transport: str
) -> Iterator[int]:
    """Start it, wait for its answer to OPTIONS, give its process id, end it."""
    kind, path = kind_of(name), Path(name.partition("=")[2])
    if transport == "tls" or scenario == "register":
        raise RuntimeError(f"{kind} is measured over UDP and TCP, without REGISTER")
    values = {
        "domain": DOMAIN,
        "host": PROXY[0],
        "port": PROXY[1],
        "target": world.kamailio_target,
        "directory": world.directory,
    }
    config = world.directory / f"{kind}.cfg"
    if kind == "opensips":
        config.write_text(OPENSIPS.format(**values, modules=modules_of(path)))
        # Memory and socket buffers as Kamailio has them here.
        line = [str(path), "-F", "-f", str(config), "-m", "2000", "-M", "64"]
        line += ["-a", "F_MALLOC", "-b", "4194304"]
    else:
        config.write_text(REPRO.format(**values))
        line = [str(path), str(config)]
    log = world.directory / f"{kind}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + 15
        while not answers_options(PROXY):
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError(f"{kind} did not start:\n{log.read_text()[-2000:]}")
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
