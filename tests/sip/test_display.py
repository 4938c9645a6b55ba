"""What a stranger wrote reaches logs and terminals without effect."""

import pytest

from proxy.sip.display import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sip:alice@contoso.test", "sip:alice@contoso.test"),
        ("grüße ✓", "grüße ✓"),
        ("a\r\nb", "a%0d%0ab"),
        ("\x1b[31mred", "%1b[31mred"),
        ("a\x00b\x7f", "a%00b%7f"),
        ("\u202ereversed", "%e2%80%aereversed"),
        ("\udcff", "%ed%b3%bf"),
        ("", ""),
    ],
)
def test_nothing_that_acts_is_left(text, shown):
    assert visible(text) == shown
    assert visible(text).isprintable()
