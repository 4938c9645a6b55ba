"""A question as it was typed, and what is wrong with one."""

import pytest

from proxy.server.store_side.explained import QuestionError, read_question
from tests.support.playbook import DOMAIN, Playbook


def test_what_is_left_out_has_a_plain_default():
    asked = read_question({"uri": f"ocschat@{DOMAIN}"}, Playbook().core)
    assert (asked.uri, asked.method) == (f"sip:ocschat@{DOMAIN}", "INVITE")
    assert asked.from_uri == f"sip:anybody@{DOMAIN}" and asked.source == "192.0.2.1"
    assert asked.listener.transport == "udp"
    words = {"uri": f"sips:x@{DOMAIN}", "listener": "tcp:10.0.0.5:5060"}
    assert read_question(words, Playbook().core).listener.transport == "tcp"


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"uri": "sip:a@b", "method": "ACK"},
        {"uri": "sip:a@b", "listener": "tls"},
        {"uri": "sip:a@b", "source": "here"},
    ],
)
def test_a_question_that_cannot_be_asked_says_what_to_write(words):
    with pytest.raises(QuestionError):
        read_question(words, Playbook().core)
