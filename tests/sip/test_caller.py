"""Who a From line names, whatever its spelling, and how little is remembered of it."""

import pytest

from proxy.sip import fields
from proxy.sip.cache import KEPT
from proxy.sip.fields import caller_of


@pytest.mark.parametrize(
    ("line", "who"),
    [
        (b"From: <sip:Alice@Contoso.test>;tag=1", "alice@contoso.test"),
        (b'f: "A, <b>" <sips:alice@contoso.test:5061>;tag=1', "alice@contoso.test"),
        (b"From: sip:alice@contoso.test;tag=1", "alice@contoso.test"),
        (b"From:\r\n <sip:alice@contoso.test>;tag=1", "alice@contoso.test"),
        (b"From: <sip:%61lice@contoso.test>;tag=1", "alice@contoso.test"),
        (b"From: <tel:+4912345>", ""),
        (b"From: \xff\xfe", ""),
        (
            b'From: sip:mallory@x.test;tag=1;n="<sip:alice@contoso.test>"',
            "mallory@x.test",
        ),
    ],
)
def test_the_address_in_lower_case_or_nothing(line: bytes, who: str) -> None:
    assert caller_of(line) == who
    assert caller_of(line) == who, "the second time, when it is remembered"


def test_what_is_remembered_is_bounded_in_count_and_bytes() -> None:
    for number in range(3 * KEPT):
        caller_of(b"From: <sip:u%d@contoso.test>;tag=1" % number)
        caller_of(b"From: <sip:u%d@contoso.test>;x=%b" % (number, b"a" * 2000))
    assert 0 < len(fields._callers) <= KEPT
    assert max(map(len, fields._callers)) < 200
