"""Digest: the vectors of RFC 7616, and what a nonce lets pass."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip import digest
from proxy.sip.digest import NonceBox, challenge, ha1_of, parse_credentials
from proxy.sip.errors import MalformedMessage

NONCE = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
# RFC 7616 section 3.9.1, and section 3.9.2's algorithm over a user of our own.
SHA_256 = b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
MD5 = b"8ca523f5e9506fed4657c9700eebdbec"


def mufasa(algorithm: bytes, response: bytes, **changed: bytes) -> bytes:
    values = {
        "uri": b"/dir/index.html",
        "nc": b"00000001",
        "qop": b"auth",
        **changed,
    }
    return (
        b'Digest username="Mufasa", realm="http-auth@example.org", uri="%b", '
        b'algorithm=%b, nonce="%b", nc=%b, cnonce="%b", qop=%b, response="%b", '
        b'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    ) % (
        values["uri"],
        algorithm,
        NONCE,
        values["nc"],
        CNONCE,
        values["qop"],
        response,
    )


@pytest.mark.parametrize(
    ("algorithm", "response"), [("SHA-256", SHA_256), ("MD5", MD5)]
)
def test_the_examples_of_rfc_7616_verify(algorithm, response):
    credentials = parse_credentials(mufasa(algorithm.encode(), response))
    ha1 = ha1_of(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert credentials.matches(ha1, b"GET")
    assert not credentials.matches(ha1, b"PUT")
    wrong = ha1_of(algorithm, "Mufasa", "http-auth@example.org", "Circle of Death")
    assert not credentials.matches(wrong, b"GET")


@pytest.mark.parametrize(
    "changed", [{"uri": b"(null)"}, {"nc": b"00000002"}, {"qop": b"auth-int"}]
)
def test_every_parameter_counts_and_the_uri_as_it_was_given(changed):
    credentials = parse_credentials(mufasa(b"SHA-256", SHA_256, **changed))
    ha1 = ha1_of("SHA-256", "Mufasa", "http-auth@example.org", "Circle of Life")
    assert not credentials.matches(ha1, b"GET")


def test_sha_512_256_has_the_length_that_rfc_8760_wants():
    if not digest.is_available("SHA-512-256"):
        pytest.skip("this OpenSSL has no SHA-512/256")
    assert len(ha1_of("SHA-512-256", "a", "b", "c")) == 64
    assert ha1_of("SHA-512-256", "a", "b", "c") != ha1_of("SHA-256", "a", "b", "c")


def test_no_algorithm_means_md5():
    credentials = parse_credentials(b'Digest username="a", nonce="b"')
    assert credentials.algorithm == "MD5"


def test_quoted_pairs_and_commas_inside_quotes_are_read():
    credentials = parse_credentials(rb'Digest username="a\"b,c" , realm="x y",nc=1')
    assert credentials.user == 'a"b,c'
    assert credentials.realm == b"x y"


@pytest.mark.parametrize("blanks", [b" ", b"\t", b"  \t "])
def test_any_white_space_may_follow_the_scheme(blanks):
    credentials = parse_credentials(b"DIGEST" + blanks + b'username="a"  ')
    assert credentials.user == "a"


def test_another_scheme_is_not_ours():
    for value in (b'NTLM qop="auth", realm="x"', b'Digestive realm="x"', b""):
        assert parse_credentials(value) is None


@pytest.mark.parametrize(
    "value",
    [
        b'Digest username="a", username="b"',
        b'Digest username="a',
        b"Digest username",
        b"Digest =x",
    ],
)
def test_broken_credentials_are_malformed(value):
    with pytest.raises(MalformedMessage):
        parse_credentials(value)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_malformed(data):
    with contextlib.suppress(MalformedMessage):
        parse_credentials(b"Digest " + data)


def test_a_challenge_names_algorithm_and_stale():
    line = challenge("contoso.com", "SHA-256", b"abc", stale=True)
    assert line == (
        b'WWW-Authenticate: Digest realm="contoso.com", nonce="abc", stale=true, '
        b'algorithm=SHA-256, qop="auth"'
    )


def test_a_nonce_is_good_once_for_each_growing_count():
    box = NonceBox(b"key")
    nonce = box.make(1000.0)
    assert box.use(nonce, 1, 1001.0) == "good"
    assert box.use(nonce, 1, 1001.0) == "stale"
    assert box.use(nonce, 3, 1001.0) == "good"
    assert box.use(nonce, 2, 1001.0) == "stale"


def test_a_nonce_goes_stale_after_five_minutes():
    box = NonceBox(b"key")
    nonce = box.make(1000.0)
    assert box.use(nonce, 1, 1299.0) == "good"
    assert box.use(nonce, 2, 1300.0) == "stale"


def test_two_nonces_of_one_instant_differ():
    box = NonceBox(b"key")
    assert box.make(1000.0) != box.make(1000.0)


@pytest.mark.parametrize("nonce", [b"", b"abc", b"!!!!", b"AAAA" * 6])
def test_a_nonce_that_we_did_not_make_is_forged(nonce):
    assert NonceBox(b"key").use(nonce, 1, 1000.0) == "forged"


def test_a_nonce_of_another_key_is_forged():
    assert NonceBox(b"other").use(NonceBox(b"key").make(1.0), 1, 1.0) == "forged"


def test_a_restart_makes_older_nonces_stale():
    nonce = NonceBox(b"key").make(1000.0)
    restarted = NonceBox(b"key")
    restarted.begin(1001.0)
    assert restarted.use(nonce, 1, 1002.0) == "stale"


def test_a_clock_that_is_set_forward_makes_no_nonce_stale():
    box = NonceBox(b"key")
    box.begin(900.0)
    nonce = box.make(1000.0)
    assert box.use(nonce, 1, 1010.0) == "good"
    box.clock_set(7200.0, 8220.0)  # it was 1020
    assert box.use(nonce, 1, 8221.0) == "stale"  # the count counts on
    assert box.use(nonce, 2, 8221.0) == "good"
    assert box.use(nonce, 3, 8499.9) == "good"
    assert box.use(nonce, 4, 8500.1) == "stale"
    assert box.use(box.make(8500.0), 1, 8500.0) == "good"


def test_nonces_from_before_the_start_stay_stale_when_the_clock_is_set():
    old = NonceBox(b"key").make(899.0)
    box = NonceBox(b"key")
    box.begin(900.0)
    box.clock_set(7200.0, 8110.0)
    assert box.use(old, 1, 8111.0) == "stale"


def test_a_clock_that_is_set_back_makes_no_nonce_stale_and_none_good_again():
    box = NonceBox(b"key")
    box.begin(900.0)
    old, nonce = box.make(950.0), box.make(1000.0)
    assert box.use(nonce, 1, 1001.0) == "good"
    box.clock_set(-500.0, 502.0)
    assert box.use(nonce, 1, 503.0) == "stale"
    assert box.use(nonce, 2, 503.0) == "good"
    assert box.use(box.make(503.0), 1, 504.0) == "good"
    assert box.use(old, 1, 504.0) == "good"
    assert box.use(old, 2, 1251.0) == "stale"


def test_memory_is_bounded_and_no_count_is_forgotten_for_a_good_nonce():
    box = NonceBox(b"key", most=4)
    first = box.make(1000.0)
    for nonce in [first, *(box.make(1000.0) for _ in range(3))]:
        assert box.use(nonce, 1, 1000.5) == "good"
    assert box.use(box.make(1001.0), 1, 1001.0) == "good"
    assert len(box._counts) <= 4
    # Its count is gone, so it must not be good again with the same one.
    assert box.use(first, 1, 1001.0) == "stale"
