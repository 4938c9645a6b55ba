"""Each answer of `waypost init` by itself: one form, or a sentence that says more."""

import pytest

from proxy.admin.first_day import answers
from proxy.endpoints.address import Refused


@pytest.mark.parametrize("written", ["contoso.com", " Contoso.COM. ", "@contoso.com."])
def test_a_domain_has_one_form(written):
    assert answers.domain(written) == "contoso.com"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("contoso", "is no full domain"),
        ("a b.com", "is not a host name"),
        ("", "is not a host name"),
        ("sip:chat@contoso.com", "is an address: .* such as contoso.com"),
        ("bücher.example", "write its xn-- form"),
        ("10.1.2.3", "is an IP address: .*--listen"),
        ("[2001:db8::1]", "is an IP address"),
    ],
)
def test_what_is_no_domain_is_told_what_one_is(written, said):
    with pytest.raises(Refused, match=said):
        answers.domain(written)


def test_an_address_is_in_one_of_the_domains():
    assert answers.address("chat@contoso.com", ["contoso.com"]) == (
        "sip:chat@contoso.com"
    )
    with pytest.raises(Refused, match=r"--domain fabrikam.com"):
        answers.address("sip:chat@fabrikam.com", ["contoso.com"])


def test_an_address_names_its_own_domain():
    written = answers.address("sip:Chat@Contoso.com")
    assert answers.domain_of(written) == "contoso.com"


@pytest.mark.parametrize("written", ["10.1.2.3", "10.1.2.3:5060", "[::1]:5060", "::1"])
def test_an_address_of_the_machine_is_not_what_clients_dial(written):
    with pytest.raises(Refused, match="--listen"):
        answers.address(written)


def test_a_port_may_be_left_out():
    assert str(answers.listen("10.1.2.3")) == "10.1.2.3:5060"
    assert str(answers.listen("[::1]:5070")) == "[::1]:5070"


@pytest.mark.parametrize("written", ["proxy.contoso.com:5060", "10.1.2.3:0", ""])
def test_a_wrong_place_to_listen_is_told_what_to_write(written):
    with pytest.raises(Refused, match=r"write|port"):
        answers.listen(written)


def test_a_pool_is_a_full_name():
    assert answers.pool(" PcPool.Contoso.com ") == "pcpool.contoso.com"
    with pytest.raises(Refused):
        answers.pool("10.1.2.3")


def test_an_advertised_name_is_a_host_name():
    assert answers.advertised("Proxy.Contoso.com") == "proxy.contoso.com"
    with pytest.raises(Refused, match="not a host name"):
        answers.advertised("proxy contoso")
