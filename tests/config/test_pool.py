"""[[pool]]: what one pool has of its own, and which statuses mean a failure."""

import pytest

from proxy.config.pool import failover_statuses
from tests.config.loading import load, problem

POOL = '[[pool]]\nfqdn = "PCPool.contoso.test."\n'


def test_a_name_is_written_in_one_way(tmp_path) -> None:
    (pool,) = load(tmp_path, POOL).pool
    assert pool.fqdn == "pcpool.contoso.test"
    assert pool.failover_codes is None and pool.probe_codes is None


@pytest.mark.parametrize("codes", [[], [400], [503, 500, 699]])
def test_failures_of_a_server_lead_on(codes: list[int]) -> None:
    assert failover_statuses(codes) == codes


@pytest.mark.parametrize("code", [200, 399, 401, 407, 487, 700])
def test_challenges_cancels_and_answers_do_not(tmp_path, code: int) -> None:
    for key in ("failover_codes", "probe_codes"):
        said = problem(tmp_path, f"{POOL}{key} = [503, {code}]\n")
        assert f"{code} cannot be a reason" in said and key in said


def test_a_pool_needs_a_name_that_is_one(tmp_path) -> None:
    assert "fqdn" in problem(tmp_path, "[[pool]]\n")
    assert "is not a host name" in problem(tmp_path, '[[pool]]\nfqdn = "a b"\n')
