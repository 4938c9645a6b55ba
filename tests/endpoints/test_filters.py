"""The -Filter of Get-CsPersistentChatEndpoint."""

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.filters import parse_filter
from proxy.endpoints.model import Endpoint

CHAT = Endpoint("sip:OcsChat@c.test", "ocschat@c.test", "pool.c.test", "Old Chat")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('{DisplayName -like "*chat*"}', True),
        ("DisplayName -eq 'old chat'", True),
        ("{$_.SipAddress -EQ sip:ocschat@C.TEST}", True),
        ("{DisplayName -ne 'old chat'}", False),
        ("{DisplayName -notlike *chat}", False),
        ("{PersistentChatPoolFqdn -eq other.test}", False),
        ("{State -eq active -and DisplayName -like old*}", True),
        ("{State -eq retired -or DisplayName -like old*}", True),
        ("{State -eq active -or State -eq x -and State -eq x}", False),
        ("{State -eq active -or (State -eq x -and State -eq x)}", True),
        ("{-not (DisplayName -like '*chat*')}", False),
        ("{!(State -eq retired) -and -not(State -eq x)}", True),
        ("{DisplayName -eq $null}", False),
        ("{DisplayName -ne $null}", True),
        ("{DisplayName -eq '$null'}", False),
        ("{DisplayName -match '^old\\s'}", True),
        ("{SipAddress -match OCS}", True),
        ("{SipAddress -notmatch '^sip:'}", False),
        ("{DisplayName -ne '(old)'}", True),
    ],
)
def test_a_filter_compares_text_without_case_from_left_to_right(text, matches):
    assert parse_filter(text)(CHAT) is matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "is not complete"),
        ("{DisplayName -like}", "is not complete"),
        ("{Color -eq red}", 'no property "Color"'),
        ("{DisplayName -gt x}", 'no operator "-gt"'),
        ("{DisplayName -match '['}", "is no regular expression"),
        ("{(State -eq a}", "is not complete"),
        ("{State -eq a)}", '")" should be -and or -or'),
        ("{State -eq )}", "cannot be a value"),
        ("{(State -eq a State}", "bracket"),
        ("{" + "(" * 99 + "}", "too deeply"),
        ("{State -eq a -xor State -eq b}", "-and or -or"),
    ],
)
def test_a_filter_that_cannot_be_read_says_what_to_write(text, says):
    with pytest.raises(Refused) as caught:
        parse_filter(text)
    assert says in str(caught.value)
