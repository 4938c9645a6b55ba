"""The journey on the lab's screen, whatever its width and alphabet."""

import pytest

from proxy.journey.steps import Step
from proxy.lab.ladder import render

URI = "sip:GC-1-PersistentChatService-1@contoso.test"
STEPS = [
    Step("connect over tcp", True, 0, 0.4, "127.0.0.31:1"),
    Step("INVITE sip:ocschat@contoso.test", True, 200, 181.9, "OK"),
    Step("INFO rpl:requri comes back", True, 0, 0.1, URI),
    Step("BYE", False, 0, 2000.0, "no answer within 2 s; the front end may be down"),
]


@pytest.mark.parametrize("width", [60, 80, 100, 132])
def test_ticks_answers_times_and_uris_are_there_at_every_width(width):
    text = render(STEPS, [], width, unicode=True).plain
    lines = text.splitlines()
    assert all(len(line) <= width for line in lines)
    assert text.count("✓") == 3 and text.count("✗") == 1
    assert URI in text and "181.9" in text and "2000.0" in text
    (invite,) = [line for line in lines if " INVITE  " in line]
    assert "✓" in invite and "200" in invite
    for word in STEPS[-1].detail.split():
        assert word in text


def test_an_alphabet_without_arrows_has_others():
    text = render(STEPS, [], 80, unicode=False).plain
    assert text.isascii() and "ok  INVITE" in text and "XX  BYE" in text
