"""Kamailio as a peer: the same job as Waypost, in its configuration language.

Used as the twin of `tests/interop`, as the yardstick of `tests/bench`, and to show that
the harnesses themselves are right: what passes through Kamailio is no quirk of ours.
"""

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sip_probe import answers_options

Address = tuple[str, int]

CONFIG = """\
#!KAMAILIO
debug=0
log_stderror=yes
children=@CHILDREN@
tcp_children=1
tcp_max_connections=60000
tcp_connection_lifetime=3605
tcp_rd_buf_size=65536
auto_aliases=no
alias="@DOMAIN@":5060
@LISTEN@

# RFC 3263, as far as the scene asks for it
dns=no
rev_dns=no
dns_try_ipv6=no
dns_try_naptr=no
dns_use_search_list=no
use_dns_cache=on
use_dns_failover=on
dns_srv_lb=on
use_dst_blocklist=off

loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "sanity.so"

modparam("tm", "fr_timer", @FIRST_ANSWER@)
modparam("tm", "fr_inv_timer", 30000)
modparam("tm", "failure_reply_mode", 3)
modparam("rr", "enable_full_lr", 1)
modparam("rr", "append_fromtag", 0)

request_route {
    if (!mf_process_maxfwd_header("70")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }
    if (is_method("OPTIONS") && uri==myself && $rU==$null) {
        sl_send_reply("200", "OK");
        exit;
    }
    if (!sanity_check("17895", "7")) exit;
    if (is_method("CANCEL")) {
        if (t_check_trans()) t_relay();
        exit;
    }
    if (!is_method("ACK")) {
        if (t_precheck_trans()) {
            t_check_trans();
            exit;
        }
        t_check_trans();
    }
    if (has_totag()) {
        if (loose_route()) {
            # It does not follow maddr by itself; the legacy client's Contact has one.
            if ($du == $null && $(ru{uri.maddr}) != "") {
                $du = "sip:" + $(ru{uri.maddr}) + ":" + $rp + ";transport="
                    + $(ru{uri.transport});
            }
            if (!t_relay()) sl_reply_error();
            exit;
        }
        if (is_method("ACK")) {
            if (t_check_trans()) t_relay();
            exit;
        }
        # A client that kept no Route dials the alias again.
        if (!($rd == "@DOMAIN@" && $rU =~ "^[Oo][Cc][Ss][Cc]hat$")) {
            sl_send_reply("404", "Not Found");
            exit;
        }
    }
    remove_hf("Route");
    if ($rd == "@DOMAIN@" && ($rU =~ "^[Oo][Cc][Ss][Cc]hat$" || $rU =~ "^GC-")) {
        if (is_method("INVITE|SUBSCRIBE|REFER|PUBLISH")) record_route();
        if (!($rU =~ "^GC-")) $rd = "@POOL@";
        $du = "@TARGET1@;transport=" + @TRANSPORT@;
        t_on_failure("NEXT");
        if (!t_relay()) sl_reply_error();
        exit;
    }
    sl_send_reply("404", "Not Found");
}

failure_route[NEXT] {
    if (t_is_canceled()) exit;
    # 477 is its own word for a send that failed
    if ("@TARGET2@" != "" && (t_branch_timeout() || t_check_status("503|477"))) {
        $du = "@TARGET2@;transport=" + @TRANSPORT@;
        t_relay();
    }
}
"""


@dataclass(slots=True)
class Kamailio:
    """One Kamailio with the endpoint `ocschat` and one or two targets.

    A target is a URI without parameters: `sip:127.0.0.11:5080`, or the name of a pool
    when the system's resolver knows its SRV records.
    """

    directory: Path
    listen: Address
    targets: list[str]
    domain: str = "contoso.test"
    pool: str = "pcpool.contoso.test"
    allocator: str = "qm"
    memory_mib: int = 64
    children: int = 1
    first_answer_ms: int = 4000
    transport: str | None = None
    template: str = CONFIG
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it and wait until it answers; raises RuntimeError with its log."""
        host, port = self.listen
        targets = [*self.targets, "", ""]
        text = self.template
        for name, value in {
            "CHILDREN": str(self.children),
            "DOMAIN": self.domain,
            "POOL": self.pool,
            "FIRST_ANSWER": str(self.first_answer_ms),
            "LISTEN": f"listen=udp:{host}:{port}\nlisten=tcp:{host}:{port}",
            "TRANSPORT": f'"{self.transport}"' if self.transport else "$proto",
            "TARGET1": targets[0],
            "TARGET2": targets[1],
        }.items():
            text = text.replace(f"@{name}@", value)
        config = self.directory / "kamailio.cfg"
        config.write_text(text)
        log = self.directory / "kamailio.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    "kamailio",
                    *("-f", str(config), "-DD", "-E", "-m", str(self.memory_mib)),
                    *("-M", "16", "-x", self.allocator, "-Y", str(self.directory)),
                    *("-b", "4194304"),  # as large a socket buffer as Waypost asks for
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        end = time.monotonic() + 10
        while time.monotonic() < end and self._process.poll() is None:
            if answers_options(self.listen):
                return
        self.stop()
        raise RuntimeError(f"Kamailio did not start:\n{log.read_text()[-2000:]}")

    @property
    def pid(self) -> int:
        """The main process; its workers are its children."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM to the main process, which takes its workers along."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own session, made above
            process.wait()
