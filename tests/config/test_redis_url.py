"""What may stand in the URL of a Redis store."""

import pytest

from proxy.config.redis_url import check_redis_url, read_redis_url

SENTINELS = "redis+sentinel://waypost:p%40ss@s1:26379,[::1]:26380,s3/mymaster/2"


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis.contoso.test",
        "redis://waypost:p%40ss@127.0.0.1:6379/2",
        "rediss://waypost:x@[::1]:6380/0?ssl_ca_certs=/etc/waypost/ca.pem",
        "redis://redis.contoso.test/0?replicas=1",
        SENTINELS,
        "rediss+sentinel://s1/mymaster?sentinel_password=x&ssl_ca_certs=/ca.pem",
        "redis+cluster://waypost:x@r1:6379,r2,[::1]:6379",
    ],
)
def test_a_url_that_says_all_is_taken_as_it_is(url):
    assert check_redis_url(url) == url


def test_sentinels_have_their_own_port_and_the_master_a_name():
    url = read_redis_url(SENTINELS)
    assert url.hosts == (("s1", 26379), ("::1", 26380), ("s3", 26379))
    assert (url.master, url.database, url.replicas) == ("mymaster", 2, None)
    assert (url.user, url.password) == ("waypost", "p@ss")
    assert "p@ss" not in url.place + repr(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis:///0", "needs a host"),
        ("redis://h:port/0", "needs a host and a port"),
        ("redis://h/zero", "not the number of a Redis database"),
        ("redis://h/0?socket_timeout=1", '"socket_timeout" of a Redis URL'),
        ("redis://u:secret#x@h/0", "percent-encoded"),
        ("redis://h/0?ssl_ca_certs=x", "rediss:// with two s"),
        ("redis://u:secret@a:1,b:2/0", "names one server"),
        ("redis+sentinel://u:secret@s1,s2/0", "name of the master is missing"),
        ("redis+sentinel://s1,/mymaster", "needs a host"),
        ("redis+sentinel://s1/mymaster/zero", "not the number"),
        ("redis+cluster://u:secret@r1/1", "has one database"),
        ("redis+cluster://r1?sentinel_password=secret", "is not known"),
        ("redis://h/0?replicas=many", "write 0 to 9"),
    ],
)
def test_a_wrong_url_says_what_to_write_and_shows_no_password(url, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        check_redis_url(url)
    assert "secret" not in str(caught.value)
