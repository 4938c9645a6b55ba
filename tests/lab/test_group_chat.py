"""What the lab's servers say back."""

from proxy.journey.wire import xccos
from proxy.lab.group_chat import answers

URI = "sip:GC-1-PersistentChatService-1@contoso.test"


def test_requri_is_answered_with_the_channel_servers_uri() -> None:
    (body,) = answers(xccos('<cmd id="cmd:requri" seqid="1"><data/></cmd>'), URI)
    assert b'id="rpl:requri"' in body
    assert f'uri="{URI}"'.encode() in body


def test_chat_comes_back_as_it_went() -> None:
    (body,) = answers(
        xccos('<grpchat id="grpchat"><chat>good day</chat></grpchat>'), URI
    )
    assert b"<chat>good day</chat>" in body


def test_any_other_command_gets_its_reply() -> None:
    (body,) = answers(xccos('<cmd id="cmd:bjoin" seqid="1"/>'), URI)
    assert b'id="rpl:bjoin"' in body


def test_a_body_that_is_no_command_gets_nothing() -> None:
    assert answers(b"hello", URI) == []
