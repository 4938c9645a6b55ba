"""The one error of this package: an address or a certificate that cannot be used."""

import errno
import os

from proxy.sip.host import host_port


class NetError(Exception):
    """A sentence for an administrator: which address, what is wrong, what to do.

    ``is_passing``: an address that is in use, or not there yet, may be had later.
    """

    def __init__(self, text: str, *, is_passing: bool = False) -> None:
        super().__init__(text)
        self.is_passing = is_passing


_BIND_ADVICE = {
    errno.EADDRINUSE: (
        "is in use by another process; stop that one"
        " (`ss -lnp 'sport = :{port}'` names it) or choose another port"
    ),
    errno.EACCES: (
        "may not be bound by this user; ports below 1024 need CAP_NET_BIND_SERVICE"
        " (the systemd unit grants it) or choose a port from 1024 up"
    ),
    errno.EADDRNOTAVAIL: (
        "is not an address of this machine; `ip addr` lists those that are"
    ),
    errno.EAFNOSUPPORT: "cannot be used: this machine has no such address family",
}


def bind_error(transport: str, host: str, port: int, error: OSError) -> NetError:
    """What kept a listener from being opened."""
    advice = _BIND_ADVICE.get(error.errno or 0)
    told = advice.format(port=port) if advice else f"cannot be bound: {reason(error)}"
    is_passing = error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
    return NetError(
        f"{transport} {host_port(host, port)} {told}", is_passing=is_passing
    )


def reason(error: OSError) -> str:
    """The operating system's own words for an error."""
    return os.strerror(error.errno) if error.errno else str(error)


def why_lost(error: Exception | None) -> str:
    """The word for how a connection has ended."""
    if error is None:
        return "closed"
    if isinstance(error, TimeoutError):
        return "timeout"  # TCP_USER_TIMEOUT or a failed TCP keep-alive
    if isinstance(error, ConnectionError):
        return "reset"
    return "error"
