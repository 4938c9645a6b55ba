"""What may stand in the URL of a Redis store."""

import pytest

from proxy.config.redis_url import check_redis_url


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis.contoso.test",
        "redis://waypost:p%40ss@127.0.0.1:6379/2",
        "rediss://waypost:x@[::1]:6380/0?ssl_ca_certs=/etc/waypost/ca.pem",
    ],
)
def test_a_url_that_says_all_is_taken_as_it_is(url):
    assert check_redis_url(url) == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis:///0", "needs a host"),
        ("redis://h:port/0", "needs a host and a port"),
        ("redis://h/zero", "not the number of a Redis database"),
        ("redis://h/0?socket_timeout=1", '"socket_timeout" of a Redis URL'),
        ("redis://u:secret#x@h/0", "percent-encoded"),
        ("redis://h/0?ssl_ca_certs=x", "rediss:// with two s"),
    ],
)
def test_a_wrong_url_says_what_to_write_and_shows_no_password(url, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        check_redis_url(url)
    assert "secret" not in str(caught.value)
