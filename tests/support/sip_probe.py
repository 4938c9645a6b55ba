"""Ask a SIP server for a sign of life (OPTIONS over UDP)."""

import socket
import time
import uuid

Address = tuple[str, int]


def answers_options(address: Address, patience: float = 0.2) -> bool:
    """True when ``address`` gives an OPTIONS any final response in time (s)."""
    unique = uuid.uuid4().hex[:12]
    host, port = address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(patience)
        try:
            probe.bind(("127.0.0.1", 0))
            probe.connect(address)
            me = "{}:{}".format(*probe.getsockname())
            probe.send(
                f"OPTIONS sip:{host}:{port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {me};rport;branch=z9hG4bK{unique}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:probe@contoso.test>;tag={unique}\r\n"
                f"To: <sip:{host}:{port}>\r\nCall-ID: {unique}\r\n"
                "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode()
            )
            data = probe.recv(65535)
        except TimeoutError:
            return False
        except OSError:  # ICMP: nobody listens yet
            time.sleep(0.05)
            return False
    return data.startswith(b"SIP/2.0 ") and not data.startswith(b"SIP/2.0 1")
