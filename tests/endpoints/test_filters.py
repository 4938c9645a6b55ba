"""The -Filter of Get-CsPersistentChatEndpoint."""

import time

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


@pytest.mark.parametrize(
    "pattern",
    [
        *("(a+)+b", "(a|a)*b", "(a*)*b", "(?:a+)+?b", "((a+))*b", "(a{1,9}){1,9}b"),
        *("(?P<x>a|b|ab)*c", "(a?){40}b", "a?" * 30 + "a" * 30, "(a|a)" * 30 + "b"),
        *(
            "a*a*a*a*b",
            ".*a.*a.*b",
            "[ab]+[]ab]+[^b]+c",
            "a{0,99}" * 4,
            "(a)" + r"\1" * 3,
        ),
        *("(?P<x>a+)(?P=x)b", "(?=(a+)+b)c", "(a)?(?(1)a+|b+)*c", "((a)|b)+c"),
    ],
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern):
    """Whoever may only look could otherwise stop the console for everybody."""
    with pytest.raises(Refused) as caught:
        parse_filter(f"{{DisplayName -match '{pattern}'}}")
    assert "could take too long" in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        *(("^old.*chat$", True), ("old|new|gone", True), (r"ol\w+\s+chat", True)),
        *(("(old )+chat", True), ("(?:new|old) chat", True), ("[(+*|)]+", False)),
        *((r"^\S{3} \S{4}$", True), ("ol?d?", True), (r"\(old\)", False)),
        *(("^(?!new)", True), ("(?i)OLD", True), ("(o)(l)(d)", True), ("o++ld", True)),
        *(("[]a-z]{3}", True), ("(ab){2}", False), ("(?:o|a)ld{1}", True)),
    ],
)
def test_usual_patterns_are_taken(pattern, matches):
    assert parse_filter(f"{{DisplayName -match '{pattern}'}}")(CHAT) is matches


def test_a_filter_has_so_many_patterns_and_no_more():
    one = "DisplayName -match old"
    assert parse_filter(" -and ".join([one] * 4))(CHAT)
    with pytest.raises(Refused, match="4 times -match"):
        parse_filter(" -and ".join([one] * 5))


@pytest.mark.parametrize("pattern", ["a*a*b", "a?a*[ab]*c", "a*(a|a|a|a)(a|a|a|a)c"])
def test_the_slowest_that_is_taken_is_quick(pattern):
    name = "a" * 256
    taken = parse_filter(f"{{DisplayName -match '{pattern}'}}")
    chat = Endpoint("sip:a@c.test", "a@c.test", "pool.c.test", name)
    began = time.process_time()
    assert not taken(chat)
    assert time.process_time() - began < 2.0
