"""What the lab's lookup and channel server say back to an XCCOS command.

A handful of [MS-XCCOSIP] bodies, enough for the journey; no rooms and no state.
"""

import re

from proxy.journey.wire import xccos

_COMMAND = re.compile(rb'<(?:cmd|grpchat) id="([^"]+)"')
_CHAT = re.compile(rb"<chat>([^<]*)</chat>")
_OK = '<resp code="200">SUCCESS_OK</resp>'


def answers(body: bytes, channel_uri: str) -> list[bytes]:
    """The bodies of the INFOs that follow upon one INFO from the client."""
    found = _COMMAND.search(body)
    if found is None:
        return []
    command = found.group(1).decode()
    if command == "cmd:requri":
        data = f'<data><uib uri="{channel_uri}" umid="1"/></data>'
        return [xccos(f'<rpl id="rpl:requri" seqid="1">{_OK}{data}</rpl>')]
    if command == "grpchat":
        text = (_CHAT.search(body) or [b"", b""])[1].decode()
        return [xccos(f'<grpchat id="grpchat" seqid="1"><chat>{text}</chat></grpchat>')]
    reply = command.replace("cmd:", "rpl:")
    return [xccos(f'<rpl id="{reply}" seqid="1">{_OK}<data/></rpl>')]
