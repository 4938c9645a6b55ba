"""``waypost console`` and ``waypost powershell``, as far as they start nothing."""

import sys

import pytest

from proxy.admin.files import printed

pytestmark = pytest.mark.here


def test_without_its_packages_it_says_how_to_get_them(waypost, monkeypatch):
    monkeypatch.setitem(sys.modules, "proxy.console.serve", None)
    assert waypost("console") == 3
    assert "pip install 'waypost[console]'" in waypost.err


def test_its_exit_code_is_that_of_what_serves(waypost, monkeypatch):
    called = []

    def run(config, lines, explain, sign_in):
        called.append((config.domains, sign_in))
        return 7

    monkeypatch.setattr("proxy.console.serve.run", run)
    assert waypost("console", "--sign-in", "anna") == 7
    assert called == [({"contoso.test", "contoso.com"}, "anna")]


def test_the_module_for_powershell_is_printed_as_it_is(waypost):
    assert waypost("powershell") == 0
    assert waypost.out == printed("Waypost.psm1")
