"""The digest of a configuration: the same for the same values, whatever their order."""

from proxy.config.digest import digest_of


def test_values_count_and_their_order_does_not():
    one = digest_of({"log": {"level": "info"}, "usage": {"ledger": True}})
    assert one == digest_of({"usage": {"ledger": True}, "log": {"level": "info"}})
    assert one != digest_of({"log": {"level": "debug"}, "usage": {"ledger": True}})
    assert len(one) == 16
